import { stat } from "node:fs/promises";
import { type ParsedKeys, parseKeyFile } from "../access/keys.ts";
import { readText } from "./document.ts";

/** What reading a file of keys gave. */
export type KeyFileReading = { readonly path: string; readonly warnings: readonly string[] } & ParsedKeys;

const WRITABLE_BY_OTHERS = 0o022;
const READABLE_BY_ALL = 0o004;

const modeOf = async (path: string): Promise<number> => {
  // Windows has no such modes, and a file that is not there is complained of when it is read.
  if (process.platform === "win32") return 0;
  return stat(path).then(
    ({ mode }) => mode,
    () => 0,
  );
};

/** Reads a file of keys. One that others may write is refused: whoever can write it could let themselves in. */
export const readKeyFile = async (path: string): Promise<KeyFileReading> => {
  const mode = await modeOf(path);
  const read = await readText(path);
  if ("refusals" in read) return { path, warnings: [], ...read };
  if ((mode & WRITABLE_BY_OTHERS) !== 0) {
    return { path, warnings: [], refusals: ["others than its owner may write it; chmod go-w it"] };
  }
  const warnings = (mode & READABLE_BY_ALL) === 0 ? [] : [`${path} may be read by everybody on this machine`];
  return { path, warnings, ...parseKeyFile(read.text) };
};
