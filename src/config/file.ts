import { type OptionTable, fileKey } from "../core/option.ts";
import { type ConfigFile, isMap, parseConfigDocument } from "./document.ts";
import { type Flattened, flattenAliases, flattenModels, joinItems } from "./model-map.ts";
import type { Problem } from "./problem.ts";
import { commaList } from "./schemas.ts";
import type { Setting, Settings } from "./sources.ts";
import { suggest } from "./suggest.ts";

/** What a configuration file says. */
export interface FileSettings {
  readonly settings: Settings;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
  /** True for a file without a value, such as one that is just being written. */
  readonly isEmpty: boolean;
  /** True where the text could not be taken apart: what else is missing says nothing then. */
  readonly isBroken: boolean;
}

/** Options that name the file cannot stand in it. */
const OUTSIDE: ReadonlySet<string> = new Set(["dynamicConfigYaml", "dynamicConfigJson"]);

/** Keys whose value may be a map, with what makes plain lists of it. */
const flatteners: ReadonlyMap<string, (value: Readonly<Record<string, unknown>>) => Flattened> = new Map([
  ["static_models", flattenModels],
  ["static_aliases", flattenAliases],
]);

/**
 * Reads the text of a configuration file by a table of options: keys in snake case, values as on the command
 * line, lists also as lists, and models and aliases also as maps. A null is a key that is not set. Every problem
 * is named, with its key.
 */
export const parseConfigFile = async (
  text: string,
  { path, format }: ConfigFile,
  table: OptionTable,
): Promise<FileSettings> => {
  const document = await parseConfigDocument(text, format);
  if ("refusals" in document) {
    const problems = document.refusals.map((message): Problem => ({
      kind: "configuration",
      key: path,
      message,
    }));
    return { settings: new Map(), problems, warnings: [], isEmpty: false, isBroken: true };
  }

  const properties = new Map(
    Object.keys(table).flatMap((property): [string, string][] =>
      OUTSIDE.has(property) ? [] : [[fileKey(property), property]],
    ),
  );
  const settings = new Map<string, Setting>();
  const problems: Problem[] = [];
  const warnings: string[] = [];
  const nameOf = (key: string): string => `${key} in ${path}`;
  const refuse = (key: string, message: string): void => {
    problems.push({ kind: "configuration", key: nameOf(key), message });
  };
  const set = (key: string, value: string): void => {
    settings.set(properties.get(key) ?? key, { text: value, source: "file", name: nameOf(key) });
  };

  const take = (key: string, { texts, refusals, warnings: notes }: Flattened): void => {
    for (const refusal of refusals) refuse(key, refusal);
    warnings.push(...notes.map((note) => `${nameOf(key)}: ${note}`));
    for (const [flat, flatText] of texts) {
      if (flat !== key && (document.fields.get(flat) ?? null) !== null) {
        refuse(flat, `given beside ${key} as a map, which says it already`);
      } else set(flat, flatText);
    }
  };

  const read = (key: string, property: string, value: unknown): void => {
    if (value === null) return;
    const flatten = flatteners.get(key);
    if (typeof value === "string") set(key, value);
    else if (typeof value === "number" || typeof value === "boolean") set(key, String(value));
    else if (Array.isArray(value) && table[property]?.schema === commaList) {
      const joined = joinItems(value);
      if ("refusal" in joined) refuse(key, joined.refusal);
      else set(key, joined.text);
    } else if (isMap(value) && flatten) take(key, flatten(value));
    else refuse(key, Array.isArray(value) ? "is a list; give one value" : "is a map; give one value");
  };

  for (const [key, value] of document.fields) {
    const property = properties.get(key);
    if (property !== undefined) {
      read(key, property, value);
      continue;
    }
    const near = suggest(key.replaceAll("-", "_"), properties.keys());
    refuse(key, near === undefined ? "no such key" : `no such key; did you mean ${near}?`);
  }
  return { settings, problems, warnings, isEmpty: document.isEmpty, isBroken: false };
};
