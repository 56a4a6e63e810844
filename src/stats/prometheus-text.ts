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

const OPEN = /\s*\{/y;
const LABEL = /\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|(?=\}))/y;
const REST = /\s*\}?\s*([^\s#]+)/y;

const unescape = (value: string): string =>
  value.includes("\\")
    ? value.replace(/\\(.)/g, (_, character: string) => (character === "n" ? "\n" : character))
    : value;

/** Reads what follows the name. */
const parseLine = (line: string, name: string): Sample | undefined => {
  const labels = new Map<string, string>();
  let at = 0;
  OPEN.lastIndex = 0;
  if (OPEN.test(line)) {
    at = OPEN.lastIndex;
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

const FEED = 10;
const isBlank = (code: number): boolean => code === 32 || code === 9 || code === 13;
/** Ends a name; a `#` does so at its very beginning. */
const isEnd = (code: number): boolean => code === FEED || isBlank(code) || code === 123 || code === 35;

/**
 * The samples of the Prometheus text format whose name is wanted, in order. Comments, timestamps, exemplars, lines
 * that cannot be read and values that are no finite number are passed over; time and memory are bounded by the
 * length of the text, whatever is in it.
 */
export const readSamples = (text: string, isWanted: (name: string) => boolean): readonly Sample[] => {
  const samples: Sample[] = [];
  for (let start = 0; start < text.length && samples.length < MAX_SAMPLES;) {
    while (isBlank(text.charCodeAt(start))) start += 1;
    let at = start;
    while (at < text.length && !isEnd(text.charCodeAt(at))) at += 1;
    const feed = text.indexOf("\n", at);
    const next = feed < 0 ? text.length : feed;
    if (at > start && next - start <= MAX_LINE) {
      const name = text.slice(start, at);
      const sample = isWanted(name) ? parseLine(text.slice(at, next), name) : undefined;
      if (sample) samples.push(sample);
    }
    start = next + 1;
  }
  return samples;
};
