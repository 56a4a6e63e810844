import { expect } from "bun:test";
import parse from "parse-prometheus-text-format";

/** A text of Prometheus, read by a parser that is not ours. */
export interface Exposition {
  /** Types by the name of their family. */
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
  /** The value of a series, or the count of a histogram's; absent where there is no such series. */
  readonly value: (name: string, labels?: Readonly<Record<string, string>>) => number | undefined;
  /** Labels of all series of a family. */
  readonly labels: (name: string) => readonly Readonly<Record<string, string>>[];
}

const wellFormed = (text: string): void => {
  expect(text.endsWith("\n")).toBe(true);
  const series = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const names = series.map((line) => line.slice(0, line.lastIndexOf(" ")));
  expect(new Set(names).size).toBe(names.length);
  for (const line of series) {
    expect(line).toMatch(
      /^[a-zA-Z_:][\w:]*(?:\{(?:\w+="(?:[^"\\\n]|\\[\\"n])*",?)+\})? -?(?:\d[\d.e+-]*|Infinity)$/,
    );
  }
  for (const mark of ["HELP", "TYPE"]) {
    const heads = [...text.matchAll(new RegExp(`^# ${mark} (\\S+) `, "gm"))].map(([, name]) => name);
    expect(new Set(heads).size).toBe(heads.length);
  }
  // Every sample stands under the head of its own family.
  let family = "";
  for (const line of text.trimEnd().split("\n")) {
    const head = /^# TYPE (\S+)/.exec(line)?.[1];
    if (head !== undefined) family = head;
    else if (!line.startsWith("#")) {
      const name = /^[\w:]+/.exec(line)?.[0] ?? "";
      expect([family, `${family}_bucket`, `${family}_count`, `${family}_sum`]).toContain(name);
    }
  }
};

const isOf = (labels: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value);

type Samples = ReadonlyMap<string, ReturnType<typeof parse>[number]["metrics"]>;

/** Every sample by its name. The parser mixes up the series of a histogram, unless it takes them for plain ones. */
const samplesOf = (text: string): Samples => {
  const histograms = [...text.matchAll(/^# TYPE (\S+) histogram$/gm)].map(([, name = ""]) => name);
  const isHead = (line: string): boolean =>
    histograms.some((name) => /^# \w+ (\S+) /.exec(line)?.[1] === name);
  const plain = text.split("\n").filter((line) => !line.startsWith("#") || !isHead(line));
  const byName = Map.groupBy(parse(plain.join("\n")), ({ name }) => name);
  return new Map([...byName].map(([name, parts]) => [name, parts.flatMap(({ metrics }) => metrics)]));
};

const cumulative = (samples: Samples): void => {
  for (const [name, buckets] of samples) {
    if (!name.endsWith("_bucket")) continue;
    const countsBySeries = new Map<string, (readonly [number, number])[]>();
    for (const { labels: { le = "", ...labels } = {}, value } of buckets) {
      const series = JSON.stringify(labels);
      const counts = countsBySeries.get(series) ?? [];
      counts.push([le === "+Inf" ? Infinity : Number(le), Number(value)]);
      countsBySeries.set(series, counts);
    }
    const totals = samples.get(name.replace(/_bucket$/, "_count")) ?? [];
    expect(totals.length).toBe(countsBySeries.size);
    for (const { labels = {}, value } of totals) {
      const counts = countsBySeries.get(JSON.stringify(labels)) ?? [];
      expect(counts).toEqual([...counts].sort(([left], [right]) => left - right));
      const values = counts.map(([, count]) => count);
      expect(values).toEqual([...values].sort((left, right) => left - right));
      expect(counts.at(-1)).toEqual([Infinity, Number(value)]);
    }
  }
};

/** Reads a text and fails where it breaks the format's rules. */
export const readExposition = (text: string): Exposition => {
  wellFormed(text);
  const families = parse(text);
  const samples = samplesOf(text);
  cumulative(samples);
  const find = (name: string) => samples.get(name) ?? samples.get(`${name}_count`) ?? [];
  return {
    types: new Map(families.map(({ name, type }) => [name, type.toLowerCase()])),
    helps: new Map(families.map(({ name, help }) => [name, help])),
    value: (name, labels = {}) => {
      const found = find(name).filter((sample) => isOf(sample.labels ?? {}, labels));
      return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + Number(value), 0);
    },
    labels: (name) => find(name).map(({ labels = {} }) => labels),
  };
};
