import { parseAliases } from "./aliases.ts";
import { type BackendEntry, type ConfiguredBackend, mergeBackends, parseBackendUrl } from "./backends.ts";
import type { RouterOptionValues } from "./options.ts";
import type { Problem } from "./problem.ts";

/** What the flags of static discovery and the URLs given as arguments say together. */
export interface StaticDiscovery {
  readonly backends: readonly ConfiguredBackend[];
  /** Model by alias. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

type Lists = Pick<
  RouterOptionValues,
  | "staticBackends"
  | "staticModels"
  | "staticAliases"
  | "staticModelLabels"
  | "staticModelTypes"
  | "staticBackendApiKeys"
>;

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;

interface Input {
  readonly lists: Lists;
  /** URLs given as arguments: they stand for `staticBackends`, and their models need not be given. */
  readonly urls: readonly string[];
  /** The name by which a person knows an option. */
  readonly nameOf: (property: keyof Lists) => string;
}

/** Resolves backends and aliases; no list is cut or padded to the length of another. */
export const resolveStaticDiscovery = ({ lists, urls, nameOf }: Input): StaticDiscovery => {
  const problems: Problem[] = [];
  const refuse = (key: string, message: string) => problems.push({ kind: "configuration", key, message });

  const given = urls.length > 0 ? urls : (lists.staticBackends ?? []);
  const backendsKey = urls.length > 0 ? "URL" : nameOf("staticBackends");
  const entries: BackendEntry[] = [];
  const checkLength = (property: Exclude<keyof Lists, "staticBackends" | "staticAliases">, word: string) => {
    const list = lists[property] ?? [];
    if (list.length > 0 && given.length > 0 && list.length !== given.length) {
      const counts = `${plural(list.length, word)} for ${plural(given.length, "backend")}`;
      refuse(nameOf(property), `${counts}; give one ${word} for each backend, in the same order`);
    }
    return list;
  };
  const models = checkLength("staticModels", "model");
  const labels = checkLength("staticModelLabels", "label");
  const types = checkLength("staticModelTypes", "type");
  const keys = checkLength("staticBackendApiKeys", "key");
  if (keys.some((key) => !/^[\x21-\x7e]*$/.test(key))) {
    refuse(nameOf("staticBackendApiKeys"), "a key holds something else than visible ASCII characters");
  }
  if (models.includes("")) {
    refuse(nameOf("staticModels"), "an item of the list is empty; give one model for each backend");
  }

  for (const [index, text] of given.entries()) {
    const parsed = parseBackendUrl(text);
    if ("refusal" in parsed) refuse(backendsKey, parsed.refusal);
    else {
      entries.push({
        ...parsed,
        model: models[index],
        label: labels[index] || undefined,
        type: types[index] || undefined,
        apiKey: keys[index] || undefined,
      });
    }
  }
  const merged = mergeBackends(entries);
  for (const conflict of merged.conflicts) refuse(backendsKey, conflict);

  const known = models.length > 0 ? new Set(models) : undefined;
  const { aliases, refusals } = parseAliases(lists.staticAliases ?? [], known);
  for (const refusal of refusals) refuse(nameOf("staticAliases"), refusal);

  return {
    backends: merged.backends,
    aliases,
    problems,
    warnings: merged.warnings.map((warning) => `${backendsKey}: ${warning}`),
  };
};
