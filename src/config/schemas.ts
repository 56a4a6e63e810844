import * as v from "valibot";

/*
 * A schema fails in one of two ways. Text that cannot be read at all (no integer, none of the choices) is an
 * issue of the kind `schema` or `transformation`; a value that is read but not allowed (out of range) is an
 * issue of the kind `validation`. The first is an error of usage, the second one of configuration.
 */

/** A value as a message shows it: quoted, escaped, and cut where it is long. */
export const quote = (value: unknown): string => {
  const quoted = JSON.stringify(String(value));
  return quoted.length > 120 ? `${quoted.slice(0, 116)}..."` : quoted;
};

/** Any text. */
export const text = v.string();

/** One of a few words. */
export const choice = <const Words extends readonly string[]>(words: Words) =>
  v.picklist(words, (issue) => `${quote(issue.input)} is not one of ${words.join(", ")}`);

/** The words of a schema made by `choice`. */
export const choicesOf = (schema: v.GenericSchema<string, unknown>): readonly string[] | undefined =>
  schema.type === "picklist" && "options" in schema && Array.isArray(schema.options)
    ? schema.options.map(String)
    : undefined;

/** On or off: `true`, `1`, `yes`, `on` or `false`, `0`, `no`, `off` and nothing, in any case. */
export const onOff = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const word = dataset.value.trim().toLowerCase();
    if (["true", "1", "yes", "on"].includes(word)) return true;
    if (["false", "0", "no", "off", ""].includes(word)) return false;
    addIssue({ message: `${quote(dataset.value)} is neither true nor false` });
    return NEVER;
  }),
);

const readNumber = (pattern: RegExp, kind: string) =>
  v.rawTransform<string, number>(({ dataset, addIssue, NEVER }) => {
    const trimmed = dataset.value.trim();
    const value = Number(trimmed);
    if (pattern.test(trimmed) && Number.isFinite(value)) return value;
    addIssue({ message: `${quote(dataset.value)} is not ${kind}` });
    return NEVER;
  });

/** A decimal integer that a double holds exactly. */
export const integer = v.pipe(
  v.string(),
  readNumber(/^[+-]?\d+$/, "an integer"),
  v.safeInteger((issue) => `${issue.received} is too large`),
);

/** A decimal integer between two bounds, both allowed. */
export const integerBetween = (least: number, most: number) =>
  v.pipe(
    integer,
    v.check(
      (value) => value >= least && value <= most,
      (issue) => `${issue.received} is out of range; give ${least} to ${most}`,
    ),
  );

/** A decimal integer above a bound, with the sentence that refuses others. */
export const integerAbove = (bound: number, sentence: string) =>
  v.pipe(
    integer,
    v.check((value) => value > bound, sentence),
  );

/** A decimal number such as `0.1` or `1e-3`. */
export const decimal = v.pipe(v.string(), readNumber(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, "a number"));

/** A decimal number between two bounds, both allowed, with the sentence that refuses others. */
export const decimalBetween = (least: number, most: number, sentence: string) =>
  v.pipe(
    decimal,
    v.check((value) => value >= least && value <= most, sentence),
  );

/**
 * A comma-separated list: spaces around items are dropped, empty items stay (their place counts), and blank
 * text is a list without items.
 */
export const commaList = v.pipe(
  v.string(),
  v.transform((value): readonly string[] =>
    value.trim() === "" ? [] : value.split(",").map((item) => item.trim()),
  ),
);

/** The path of a URL, such as `/health`. */
export const urlPath = v.pipe(
  v.string(),
  v.regex(
    /^\/[\w.~%!$&'()*+,;=:@/-]*$/,
    (issue) => `${quote(issue.input)} is not a path; write it like /health`,
  ),
);
