import type { Clock } from "../core/clock.ts";
import { catalog, type LabelValues, type MetricName } from "./catalog.ts";
import {
  createHistogram,
  createValue,
  type Histogram,
  labelText,
  type Value,
  type Written,
} from "./series.ts";

/** One series as plain data. */
export interface SeriesState {
  readonly labels: string;
  readonly server: string | undefined;
  /** Epoch seconds. */
  readonly createdAt: number;
  readonly numbers: readonly number[];
}

/** What a registry has counted, as plain data, to be sent to another thread. */
export type MetricsState = ReadonlyMap<MetricName, readonly SeriesState[]>;

/** The series of every metric. A series is looked up once and kept by who counts on it. */
export interface Registry {
  readonly counter: <Name extends MetricName<"counter">>(
    name: Name,
    labels: LabelValues<Name>,
  ) => Pick<Value, "add">;
  readonly gauge: <Name extends MetricName<"gauge">>(name: Name, labels: LabelValues<Name>) => Value;
  readonly histogram: <Name extends MetricName<"histogram">>(
    name: Name,
    labels: LabelValues<Name>,
  ) => Pick<Histogram, "observe">;
  /** Drops the series of servers that are not among these. */
  readonly keepServers: (servers: ReadonlySet<string>) => void;
  /** What has been counted of these metrics until now. */
  readonly state: (isWanted: (name: MetricName) => boolean) => MetricsState;
  /** Counts what another registry had counted. */
  readonly include: (state: MetricsState) => void;
  /** All of it in the Prometheus text format 0.0.4. */
  readonly text: () => string;
}

interface Series<Kind> {
  readonly server: string | undefined;
  readonly of: Kind;
  /** Epoch seconds. */
  readonly createdAt: number;
  /** The line of the `_created` companion; empty for a gauge. */
  readonly created: string;
}

/** Metrics of which what each thread has makes up the whole. */
export const addsUp = (name: MetricName): boolean =>
  catalog[name].type !== "gauge" || "addsUp" in catalog[name];

/** Prometheus series for every row of the catalog. */
export const createRegistry = ({ clock }: { readonly clock: Pick<Clock, "now"> }): Registry => {
  const createFamily = <Kind extends Written>(name: MetricName, create: (labels: string) => Kind) => {
    const { type, help, labels: names } = catalog[name];
    const series = new Map<string, Series<Kind>>();
    const base = name.replace(/_total$/, "");
    const head = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    const createdHead =
      type === "gauge" ? "" : `# HELP ${base}_created ${help}\n# TYPE ${base}_created gauge\n`;
    const put = (key: string, of: Kind, server: string | undefined, createdAt: number): Kind => {
      const braces = key === "" ? "" : `{${key}}`;
      const created = type === "gauge" ? "" : `${base}_created${braces} ${createdAt}\n`;
      series.set(key, { server, of, createdAt, created });
      return of;
    };
    return {
      series,
      of: (labels: Readonly<Record<string, string>>): Kind => {
        const key = labelText(labels, names);
        return series.get(key)?.of ?? put(key, create(key), labels["server"], clock.now() / 1000);
      },
      state: (): readonly SeriesState[] =>
        [...series].flatMap(([labels, { server, createdAt, of }]) => {
          const numbers = of.numbers();
          return numbers.length === 0 ? [] : [{ labels, server, createdAt, numbers }];
        }),
      include: ({ labels, server, createdAt, numbers }: SeriesState): void => {
        const known = series.get(labels);
        const of = known?.of ?? create(labels);
        if (!known || createdAt < known.createdAt) put(labels, of, server, createdAt);
        of.include(numbers);
      },
      write: (pieces: string[]): void => {
        pieces.push(head);
        for (const each of series.values()) each.of.write(pieces);
        if (createdHead === "") return;
        pieces.push(createdHead);
        for (const { created } of series.values()) pieces.push(created);
      },
    };
  };

  const families = new Map<
    MetricName,
    ReturnType<typeof createFamily<Value>> | ReturnType<typeof createFamily<Histogram>>
  >();

  const values = new Map<MetricName, ReturnType<typeof createFamily<Value>>>();
  const histograms = new Map<MetricName, ReturnType<typeof createFamily<Histogram>>>();
  for (const name of Object.keys(catalog) as MetricName[]) {
    const row = catalog[name];
    if (row.type === "histogram") {
      const family = createFamily(name, (labels) => createHistogram(name, labels, row.buckets));
      histograms.set(name, family);
      families.set(name, family);
    } else {
      const family = createFamily(name, (labels) => createValue(name, labels));
      values.set(name, family);
      families.set(name, family);
    }
  }

  const find = <Family>(map: ReadonlyMap<MetricName, Family>, name: MetricName): Family => {
    const family = map.get(name);
    if (!family) throw new TypeError(`${name} is a metric of another type`);
    return family;
  };

  return {
    counter: (name, labels) => find(values, name).of(labels),
    gauge: (name, labels) => find(values, name).of(labels),
    histogram: (name, labels) => find(histograms, name).of(labels),
    keepServers: (servers) => {
      for (const { series } of families.values()) {
        for (const [key, { server }] of series) {
          if (server !== undefined && !servers.has(server)) series.delete(key);
        }
      }
    },
    state: (isWanted) =>
      new Map([...families].flatMap(([name, { state }]) => (isWanted(name) ? [[name, state()]] : []))),
    include: (state) => {
      for (const [name, list] of state) for (const each of list) families.get(name)?.include(each);
    },
    text: () => {
      const pieces: string[] = [];
      for (const family of families.values()) family.write(pieces);
      return pieces.join("");
    },
  };
};
