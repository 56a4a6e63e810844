/** A configuration file as it is named on the command line. */
export interface ConfigFile {
  readonly path: string;
  readonly format: "json" | "yaml";
}

/** The top-level values of a document by their key; empty where it does not even hold an empty map. */
export interface ConfigDocument {
  readonly fields: ReadonlyMap<string, unknown>;
  readonly isEmpty: boolean;
}

/** Sentences about what is wrong; at least one. */
export interface Refused {
  readonly refusals: readonly [string, ...string[]];
}

/** No list of engines comes near it; a file that does is another kind of file. */
const MAX_BYTES = 4 * 1024 * 1024;

/** A map of a document: JSON's object, YAML's mapping. */
export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const READ_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "it may not be read",
  EPERM: "it may not be read",
  EISDIR: "it is a directory",
  ENOTDIR: "there is no such file",
};

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

/** The text of a file, links followed anew each time, or the sentence that says why there is none. */
export const readText = async (path: string): Promise<{ readonly text: string } | Refused> => {
  try {
    const file = Bun.file(path);
    if (file.size > MAX_BYTES && Number.isFinite(file.size)) {
      return { refusals: [`it is larger than ${MAX_BYTES} bytes`] };
    }
    const bytes = await file.bytes();
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof TypeError) return { refusals: ["it is not UTF-8 text"] };
    return { refusals: [READ_FAILURES[codeOf(error)] ?? messageOf(error)] };
  }
};

type Value = { readonly value: unknown } | Refused;

const parseJson = (text: string): Value => {
  if (text.trim() === "") return { value: null };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { refusals: [`it is not JSON: ${messageOf(error)}`] };
  }
};

/** Scalars stay the text that was written, as on the command line; nothing but null is told from text. */
const parseYaml = async (text: string): Promise<Value> => {
  // Not at the top: it takes a while to load, and most routers read no YAML.
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text, { schema: "failsafe", customTags: ["null"], logLevel: "error" });
  const [problem, ...problems] = [...document.errors, ...document.warnings].map(
    // The lines after the first show the place again, as a drawing.
    ({ message }) => `it is not YAML: ${message.split("\n", 1)[0]?.replace(/:$/, "") ?? message}`,
  );
  if (problem !== undefined) return { refusals: [problem, ...problems] };
  try {
    return { value: document.toJS() };
  } catch (error) {
    return { refusals: [`it is not YAML: ${messageOf(error)}`] };
  }
};

/** Parses a whole document; blank text and null are empty ones. */
export const parseConfigDocument = async (
  text: string,
  format: ConfigFile["format"],
): Promise<ConfigDocument | Refused> => {
  const parsed = format === "json" ? parseJson(text) : await parseYaml(text);
  if ("refusals" in parsed) return parsed;
  const { value } = parsed;
  if (value === null || value === undefined) return { fields: new Map(), isEmpty: true };
  return isMap(value)
    ? { fields: new Map(Object.entries(value)), isEmpty: false }
    : { refusals: ["it does not hold keys with values, such as routing_logic: roundrobin"] };
};
