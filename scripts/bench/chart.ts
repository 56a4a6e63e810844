import { escapeText, text } from "../../src/simulate/chart.ts";
import { ROUTER } from "./contenders.ts";
import type { Results } from "./report.ts";

const WIDTH = 760;
const LABELS = 150;
const VALUES = 70;
const ROW = 22;
const BAR = 12;
const GAP = 18;

interface Bar {
  readonly name: string;
  readonly value: number;
}

interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

/** What is drawn: a bar for each contender that has the figure. */
const panelsOf = ({ workloads, held, starts }: Results): readonly Panel[] => {
  const barsOf = <Row extends { readonly contender: string }>(
    rows: readonly Row[] | undefined,
    value: (row: Row) => { readonly median: number } | undefined,
  ): readonly Bar[] =>
    (rows ?? []).flatMap((row) => {
      const figure = value(row);
      return figure ? [{ name: row.contender, value: figure.median }] : [];
    });
  const named = (name: string) => workloads.find((workload) => workload.name === name)?.rows;
  const heldNamed = (name: string) => held.find((workload) => workload.name === name)?.rows;
  return [
    {
      title: "CPU time per request of 1 KB, microseconds",
      bars: barsOf(named("json-1k"), ({ saturated }) => saturated?.cpu?.microsPerRequest),
    },
    {
      title: "Requests of 1 KB per second, on one CPU",
      bars: barsOf(named("json-1k"), ({ saturated }) => saturated?.requestsPerSecond),
    },
    {
      title: "CPU time per stream of 64 chunks, microseconds",
      bars: barsOf(named("stream-64"), ({ steady }) => steady.cpu?.microsPerRequest),
    },
    {
      title: "Memory per open stream, KB",
      bars: barsOf(heldNamed("held-5000"), ({ rssKbPerStream }) => rssKbPerStream),
    },
    {
      title: "Start to the first answer, milliseconds",
      bars: barsOf(starts, ({ startMs }) => startMs),
    },
  ].filter(({ bars }) => bars.length > 0);
};

const drawBar = ({ name, value }: Bar, y: number, most: number): string => {
  const length = ((WIDTH - LABELS - VALUES) * Math.max(0, value)) / most;
  const colour = name.startsWith(ROUTER) ? "#2a78d6" : "#8886";
  return [
    text(LABELS - 8, y + BAR - 2, name, 'text-anchor="end"'),
    `<rect x="${LABELS}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" fill="${colour}"/>`,
    text(LABELS + length + 6, y + BAR - 2, value.toFixed(0), 'font-size="12"'),
  ].join("");
};

/** An SVG picture of the results, a panel of bars for each measure. The colours suit a light and a dark page. */
export const drawResults = (results: Results): string => {
  const lines: string[] = [];
  let y = GAP;
  for (const { title, bars } of panelsOf(results)) {
    lines.push(text(8, y + BAR, title, 'font-weight="600"'));
    y += ROW + 4;
    const most = Math.max(Number.MIN_VALUE, ...bars.map(({ value }) => value));
    for (const bar of bars) {
      lines.push(drawBar(bar, y, most));
      y += ROW;
    }
    y += GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui, sans-serif" font-size="13" fill="#808080" role="img">`,
    `<title>${escapeText("The router beside other relays")}</title>`,
    ...lines,
    "</svg>",
    "",
  ].join("\n");
};
