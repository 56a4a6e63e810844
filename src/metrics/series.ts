/** Labels as they stand between braces, such as `model="m",server="http://a"`; escaped as the text format wants it. */
export const labelText = (labels: Readonly<Record<string, string>>, names: readonly string[]): string =>
  names.map((name) => `${name}="${escapeValue(labels[name] ?? "")}"`).join(",");

const escapeValue = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

const named = (name: string, labels: string): string => (labels === "" ? `${name} ` : `${name}{${labels}} `);

/** Something that is written as lines of the text format. */
interface Written {
  readonly lines: () => string;
}

/** A number that is counted up, or set. */
export interface Value extends Written {
  readonly add: (by: number) => void;
  readonly set: (to: number) => void;
}

/** One series of a counter or a gauge. */
export const createValue = (name: string, labels: string): Value => {
  const prefix = named(name, labels);
  let value = 0;
  return {
    add: (by) => {
      value += by;
    },
    set: (to) => {
      value = to;
    },
    lines: () => `${prefix}${value}\n`,
  };
};

/** How often something took how long. */
export interface Histogram extends Written {
  readonly observe: (value: number) => void;
}

// Python writes a bound that is whole with its point, and queries name it so.
const boundText = (bound: number): string => (Number.isInteger(bound) ? `${bound}.0` : String(bound));

/** One series of a histogram with these upper bounds, ascending. */
export const createHistogram = (name: string, labels: string, bounds: readonly number[]): Histogram => {
  const counts = new Float64Array(bounds.length + 1);
  const after = labels === "" ? "" : `,${labels}`;
  const prefixes = [...bounds.map(boundText), "+Inf"].map((bound) =>
    named(`${name}_bucket`, `le="${bound}"${after}`),
  );
  const countPrefix = named(`${name}_count`, labels);
  const sumPrefix = named(`${name}_sum`, labels);
  let sum = 0;
  return {
    observe: (value) => {
      let bucket = 0;
      while (bucket < bounds.length && value > (bounds[bucket] ?? Infinity)) bucket += 1;
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      sum += value;
    },
    lines: () => {
      let text = "";
      let cumulative = 0;
      for (let bucket = 0; bucket < prefixes.length; bucket += 1) {
        cumulative += counts[bucket] ?? 0;
        text += `${prefixes[bucket]}${cumulative}\n`;
      }
      return `${text}${countPrefix}${cumulative}\n${sumPrefix}${sum}\n`;
    },
  };
};
