import { FLOOR, ROUTER } from "./contenders.ts";
import { LAST_NEEDED, parts } from "./parts.ts";
import type { Results } from "./report.ts";

/** CPU microseconds of a relay: the lowest over the rounds, which others on the machine disturb least. */
interface Cost {
  readonly micros: number;
  /** To the bare relay. */
  readonly toFloor: number;
}

/** A relay with so much of the router; a figure that could not be measured is absent. */
interface AblationRow {
  readonly name: string;
  readonly summary: string;
  readonly request?: Cost;
  /** For each read of a stream. */
  readonly read?: Cost;
}

/** What each part of the router costs. */
export interface Ablation extends Pick<Results, "machine"> {
  readonly settings: Pick<Results["settings"], "rounds" | "seconds">;
  /** From the bare relay to the router. */
  readonly rows: readonly AblationRow[];
}

/** Where the figures are kept. */
export const ABLATION = "docs/ablation.json";

/** The workloads that are looked at. */
export const REQUESTS = "json-1k";
export const STREAMS = "stream-64";

/** The name of the relay that has the parts up to one. */
export const withPart = (name: string): string => `+ ${name}`;

const FIGURES = 3;
const rounded = (value: number): number => Number(value.toPrecision(FIGURES));

/** Picks the figures of an ablation out of a run's results. */
export const ablationOf = ({ machine, settings, contenders, workloads }: Results): Ablation => {
  const rowsOf = (name: string) => workloads.find((workload) => workload.name === name)?.rows ?? [];
  const costs = (micros: (contender: string) => number | undefined) => {
    const floor = micros(FLOOR);
    return (contender: string): Cost | undefined => {
      const own = micros(contender);
      return own === undefined || floor === undefined
        ? undefined
        : { micros: rounded(own), toFloor: rounded(own / floor) };
    };
  };
  const requests = rowsOf(REQUESTS);
  const streams = rowsOf(STREAMS);
  const request = costs(
    (of) => requests.find((row) => row.contender === of)?.saturated?.cpu?.microsPerRequest.min,
  );
  const read = costs((of) => streams.find((row) => row.contender === of)?.steady.microsPerRead?.min);
  return {
    machine,
    settings: { rounds: settings.rounds, seconds: settings.seconds },
    rows: contenders.map(({ name, summary }) => {
      const [ofRequest, ofRead] = [request(name), read(name)];
      return { name, summary, ...(ofRequest && { request: ofRequest }), ...(ofRead && { read: ofRead }) };
    }),
  };
};

const cellsOf = (cost: Cost | undefined): readonly string[] =>
  cost ? [cost.micros.toFixed(1), cost.toFloor.toFixed(2)] : ["-", "-"];

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** The part that adds most to a request. */
const dearest = (rows: readonly AblationRow[]): string | undefined => {
  const names = new Set(parts.map(({ name }) => withPart(name)));
  return rows
    .map(({ name, request }, index) => {
      const before = rows[index - 1]?.request;
      return { name, added: request && before ? request.micros - before.micros : 0 };
    })
    .filter(({ name }) => names.has(name))
    .toSorted((left, right) => right.added - left.added)
    .map(({ name, added }) => `the dearest, \`${name}\`, adds ${added.toFixed(1)} us`)[0];
};

/** Says in numbers how far down the router can come. */
const verdict = (rows: readonly AblationRow[]): string => {
  const floor = rows.find(({ name }) => name === withPart(LAST_NEEDED))?.request?.toFloor;
  const router = rows.find(({ name }) => name === ROUTER)?.request?.toFloor;
  if (floor === undefined || router === undefined) return "";
  const most = dearest(rows);
  return `A router that chooses by what a request says cannot leave out anything down to \`${withPart(LAST_NEEDED)}\`: that is ${floor.toFixed(2)} times the bare relay, the floor of what can be asked, and the router with everything is at ${router.toFixed(2)}. No single part stands in the way${most === undefined ? "" : ` (${most})`}.`;
};

/** The section of the page, as Markdown. */
export const describeAblation = ({ machine, settings, rows }: Ablation): string =>
  [
    "## Where the floor is",
    `Each relay has one part of the router more than the one above it: CPU time per request of 1 KB as fast as they come, and per read of a stream of 64 chunks. The lowest of ${settings.rounds} rounds of ${settings.seconds} s each (${machine.cpu}, load ${machine.load.toFixed(1)} before); \`node scripts/bun.mjs scripts/bench/ablation.ts --write-docs\` measures it anew.`,
    [
      line(["relay", "what it does more", "us/request", `x ${FLOOR}`, "us/read", `x ${FLOOR}`]),
      line(["---", "---", "--:", "--:", "--:", "--:"]),
      ...rows.map(({ name, summary, request, read }) =>
        line([`\`${name}\``, summary, ...cellsOf(request), ...cellsOf(read)]),
      ),
    ].join("\n"),
    verdict(rows),
  ]
    .filter((paragraph) => paragraph !== "")
    .join("\n\n");
