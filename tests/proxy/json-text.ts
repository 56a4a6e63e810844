import fc from "fast-check";

/** A JSON object as a client may write it: any spacing, escapes, repeated fields. */
export interface JsonText {
  readonly text: string;
  /** The fields as they stand in the text, in order, repeated names included. */
  readonly entries: readonly (readonly [name: string, value: unknown])[];
}

const space = fc.string({ unit: fc.constantFrom(" ", "\n", "\r", "\t"), maxLength: 3 });

const escaped = (text: string): string =>
  text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Characters that a scanner could stumble over, and any others. */
const hostileText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.string({
    unit: fc.constantFrom('"', "\\", "{", "}", "[", "]", ",", ":", "\n", "é", "😀"),
    maxLength: 8,
  }),
);

const quoted = (text: fc.Arbitrary<string>): fc.Arbitrary<readonly [text: string, value: string]> =>
  fc
    .tuple(text, fc.boolean())
    .map(([value, isEscaped]) => [isEscaped ? `"${escaped(value)}"` : JSON.stringify(value), value]);

const { value: jsonValue } = fc.letrec<{ value: string; text: string; list: string; object: string }>(
  (tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom("null", "true", "false", "0", "-1.5e-3", "12345678901234567890"),
      tie("text"),
      tie("list"),
      tie("object"),
    ),
    text: quoted(hostileText).map(([text]) => text),
    list: fc
      .array(fc.tuple(space, tie("value"), space), { maxLength: 4 })
      .map((items) => `[${items.map((parts) => parts.join("")).join(",")}]`),
    object: fc
      .array(fc.tuple(space, tie("text"), space, space, tie("value"), space), { maxLength: 4 })
      .map(
        (fields) =>
          `{${fields.map(([a, name, b, c, value, d]) => `${a}${name}${b}:${c}${value}${d}`).join()}}`,
      ),
  }),
);

const fieldName = fc.oneof(
  fc.constantFrom("model", "messages", "__proto__", "constructor", "toString", ""),
  hostileText,
);

/** Objects whose values come from `value`; without it, any JSON. */
export const jsonObject = (value: fc.Arbitrary<string> = jsonValue): fc.Arbitrary<JsonText> =>
  fc
    .tuple(
      space,
      fc.array(fc.tuple(space, quoted(fieldName), space, space, value, space), { maxLength: 8 }),
      space,
    )
    .map(([before, fields, after]) => ({
      text: `${before}{${fields.map(([a, [name], b, c, text, d]) => `${a}${name}${b}:${c}${text}${d}`).join()}}${after}`,
      entries: fields.map(([, [, name], , , text]) => [name, JSON.parse(text) as unknown]),
    }));

/** The bytes of a text; lone surrogates become U+FFFD, as on any wire. */
export const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
