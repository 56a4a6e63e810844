/** A key that clients may present, of which only the digest is kept. */
export interface NamedKey {
  /** Says whose it is, in the log and in metrics. */
  readonly name: string;
  /** SHA-256 in hexadecimal digits. */
  readonly digest: string;
}

/** SHA-256. */
export const digestOf = (key: string): Uint8Array => Bun.SHA256.hash(key) as Uint8Array;

const VISIBLE = /^[\x21-\x7e]+$/;

/** `alice:sk-...`: what stands before the first colon is the name. */
const NAMED = /^([A-Za-z0-9._-]{1,64}):(.*)$/;

/** Keys, or why there are none. */
export type ParsedKeys =
  | { readonly keys: readonly NamedKey[] }
  | { readonly refusals: readonly [string, ...string[]] };

/** Parses keys as `name:key`, or without a name, in which case their number stands for it. No refusal holds a key. */
export const parseKeys = (texts: readonly string[]): ParsedKeys => {
  const refusals: string[] = [];
  const keys = texts.map((text, index): NamedKey => {
    const [, name = String(index + 1), key = text] = NAMED.exec(text) ?? [];
    if (!VISIBLE.test(key)) {
      refusals.push(
        key === ""
          ? `key ${name} is empty`
          : `key ${name} holds something else than visible ASCII characters, which no client could send`,
      );
    }
    return { name, digest: Buffer.from(digestOf(key)).toString("hex") };
  });
  const [refusal, ...others] = refusals;
  return refusal === undefined ? { keys } : { refusals: [refusal, ...others] };
};

/** Parses the text of a file of keys, one a line; blank lines and those that begin with `#` are none. */
export const parseKeyFile = (text: string): ParsedKeys => {
  const lines = text.split("\n").map((line) => line.trim());
  const texts = lines.filter((line) => line !== "" && !line.startsWith("#"));
  return texts.length > 0 ? parseKeys(texts) : { refusals: ["it holds no key"] };
};
