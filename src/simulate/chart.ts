import { spreadOf, type PolicyRuns } from "./report.ts";

const WIDTH = 760;
const LABELS = 140;
const RIGHT = 24;
const TOP = 64;
const ROW = 30;
const BAR = 12;

/** Text as it stands in an element or in a quoted attribute. */
export const escapeText = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** A line of text at a place. */
export const text = (x: number, y: number, content: string, rest = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${rest}>${escapeText(content)}</text>`;

const milliseconds = (value: number): string =>
  value >= 1000 ? `${Number((value / 1000).toPrecision(3))} s` : `${Number(value.toPrecision(3))} ms`;

/** Powers of ten around all values, so that a policy which is ten times as slow is as far away everywhere. */
const decadesOf = (values: readonly number[]): readonly [low: number, high: number] => {
  const known = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(1000, ...known)));
  const high = Math.ceil(Math.log10(Math.max(1, ...known)));
  return [low, Math.max(high, low + 1)];
};

/**
 * An SVG picture of times to the first token: for each policy a bar to the mean, a line on to p90, and a tick at p99,
 * on a logarithmic scale. The colours suit a light and a dark page.
 */
export const drawChart = (policies: readonly PolicyRuns[], title: string): string => {
  const rows = policies.map(({ policy, runs }) => ({
    policy,
    mean: spreadOf(runs, ({ ttftMeanMs }) => ttftMeanMs).mean,
    p90: spreadOf(runs, ({ ttftP90Ms }) => ttftP90Ms).mean,
    p99: spreadOf(runs, ({ ttftP99Ms }) => ttftP99Ms).mean,
  }));
  const [low, high] = decadesOf(rows.flatMap(({ mean, p99 }) => [mean, p99]));
  const height = TOP + ROW * rows.length + 28;
  const plot = WIDTH - LABELS - RIGHT;
  const xOf = (value: number): number =>
    LABELS + (plot * (Math.log10(Math.max(value, 10 ** low)) - low)) / (high - low);

  const grid = Array.from({ length: high - low + 1 }, (_, decade) => {
    const value = 10 ** (low + decade);
    const x = xOf(value).toFixed(1);
    return (
      `<line x1="${x}" x2="${x}" y1="${TOP - 8}" y2="${height - 24}" stroke="#8886"/>` +
      text(Number(x), height - 8, milliseconds(value), 'text-anchor="middle" font-size="11"')
    );
  });
  const bars = rows.map(({ policy, mean, p90, p99 }, index) => {
    const y = TOP + ROW * index;
    const middle = y + BAR / 2;
    const line = `<line x1="${xOf(mean).toFixed(1)}" x2="${xOf(p90).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#2a78d6" stroke-width="3"/>`;
    const tick = `<line x1="${xOf(p99).toFixed(1)}" x2="${xOf(p99).toFixed(1)}" y1="${y}" y2="${y + BAR}" stroke="#2a78d6" stroke-width="2"/>`;
    const bar = `<rect x="${LABELS}" y="${y}" width="${(xOf(mean) - LABELS).toFixed(1)}" height="${BAR}" fill="#2a78d6"/>`;
    return text(LABELS - 8, middle + 4, policy, 'text-anchor="end"') + bar + line + tick;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#808080" role="img">`,
    `<title>${escapeText(title)}</title>`,
    text(8, 22, title, 'font-size="15" font-weight="600"'),
    text(8, 42, "Time to the first token: bar to the mean, line to p90, tick at p99", 'font-size="12"'),
    ...grid,
    ...bars,
    "</svg>",
    "",
  ].join("\n");
};
