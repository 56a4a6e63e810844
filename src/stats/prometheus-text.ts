/** One line of the Prometheus text format that carries a value. */
export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** Always finite. */
  readonly value: number;
}

/** A longer line is skipped: real ones have a few hundred characters. */
const MAX_LINE = 64 * 1024;
const MAX_SAMPLES = 10_000;

const LINE = /^\s*([a-zA-Z_:][\w:]*)\s*(?:\{|\s|$)/;
const LABEL = /\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|(?=\}))/y;
const REST = /\s*\}?\s*([^\s#]+)/y;

const unescape = (value: string): string =>
  value.includes("\\")
    ? value.replace(/\\(.)/g, (_, character: string) => (character === "n" ? "\n" : character))
    : value;

const parseLine = (line: string, name: string): Sample | undefined => {
  const labels = new Map<string, string>();
  let at = line.indexOf(name) + name.length;
  const brace = /\s*\{/y;
  brace.lastIndex = at;
  if (brace.test(line)) {
    at = brace.lastIndex;
    for (;;) {
      LABEL.lastIndex = at;
      const [, label = "", value = ""] = LABEL.exec(line) ?? [];
      if (label === "") break;
      labels.set(label, unescape(value));
      at = LABEL.lastIndex;
    }
    if (!/^\s*\}/.test(line.slice(at))) return undefined;
  }
  REST.lastIndex = at;
  const value = Number(REST.exec(line)?.[1] ?? Number.NaN);
  return Number.isFinite(value) ? { name, labels, value } : undefined;
};

/**
 * The samples of the Prometheus text format whose name is wanted, in order. Comments, timestamps, exemplars, lines
 * that cannot be read and values that are no finite number are passed over; time and memory are bounded by the
 * length of the text, whatever is in it.
 */
export const readSamples = (text: string, isWanted: (name: string) => boolean): readonly Sample[] => {
  const samples: Sample[] = [];
  for (let start = 0; start < text.length && samples.length < MAX_SAMPLES;) {
    const end = text.indexOf("\n", start);
    const next = end < 0 ? text.length : end;
    const isLong = next - start > MAX_LINE;
    const head = text.slice(start, Math.min(next, start + 256));
    const [, name] = isLong || head.startsWith("#") ? [] : (LINE.exec(head) ?? []);
    const sample =
      name !== undefined && isWanted(name) ? parseLine(text.slice(start, next), name) : undefined;
    if (sample) samples.push(sample);
    start = next + 1;
  }
  return samples;
};
