/** Labels as they stand between braces, such as `model="m",server="http://a"`; escaped as the text format wants it. */
export const labelText = (labels: Readonly<Record<string, string>>, names: readonly string[]): string =>
  names.map((name) => `${name}="${escapeValue(labels[name] ?? "")}"`).join(",");

const escapeValue = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

const named = (name: string, labels: string): string => (labels === "" ? `${name} ` : `${name}{${labels}} `);

/** One series of some kind. */
export interface Written {
  /** Adds its lines, in pieces, to those of a text: joined once, which is what a large text costs. */
  readonly write: (pieces: string[]) => void;
  /** All that it has counted, as plain numbers; none where it is unset. */
  readonly numbers: () => readonly number[];
  /** Counts what such numbers of another series say. */
  readonly include: (numbers: readonly number[]) => void;
}

/** A number that is counted up, or set; it is not written while it is unset. */
export interface Value extends Written {
  readonly add: (by: number) => void;
  readonly set: (to: number | undefined) => void;
}

/** One series of a counter or a gauge, 0 at first. */
export const createValue = (name: string, labels: string): Value => {
  const prefix = named(name, labels);
  let value: number | undefined = 0;
  return {
    add: (by) => {
      value = (value ?? 0) + by;
    },
    set: (to) => {
      value = to;
    },
    write: (pieces) => {
      if (value !== undefined) pieces.push(prefix, String(value), "\n");
    },
    numbers: () => (value === undefined ? [] : [value]),
    include: (numbers) => {
      for (const by of numbers) value = (value ?? 0) + by;
    },
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
    write: (pieces) => {
      let cumulative = 0;
      for (let bucket = 0; bucket < prefixes.length; bucket += 1) {
        cumulative += counts[bucket] ?? 0;
        pieces.push(prefixes[bucket] ?? "", String(cumulative), "\n");
      }
      pieces.push(countPrefix, String(cumulative), "\n", sumPrefix, String(sum), "\n");
    },
    numbers: () => [...counts, sum],
    include: (numbers) => {
      for (const bucket of counts.keys()) counts[bucket] = (counts[bucket] ?? 0) + (numbers[bucket] ?? 0);
      sum += numbers[counts.length] ?? 0;
    },
  };
};
