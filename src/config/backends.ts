import type { StaticBackend } from "../discovery/static.ts";
import { quote } from "./schemas.ts";

/** An engine that is known from the configuration. */
export interface ConfiguredBackend extends StaticBackend {
  /** Type of each model; absent where no types are given. */
  readonly types?: ReadonlyMap<string, string>;
  /** Presented with every request; never printed. */
  readonly apiKey?: string;
}

/** A base URL, or the sentence that refuses it. */
export type BackendUrl = { readonly url: string; readonly identity: string } | { readonly refusal: string };

const withoutCredentials = (text: string): string => text.replace(/^([a-z]+:\/\/)?.*@/i, "$1****@");

/**
 * Reads the base URL of an engine: `http` or `https`, any host name, IPv4 or bracketed IPv6 address, a port
 * and a path. Two URLs with the same `identity` mean the same engine.
 */
export const parseBackendUrl = (text: string): BackendUrl => {
  const shown = quote(withoutCredentials(text));
  if (text === "") return { refusal: "an item of the list is empty; give a URL such as http://host:8000" };
  if (!/^https?:\/\/[^/]/i.test(text)) {
    const remedy = /^(\[[\da-f:.]+\]|[\w.-]+)(:\d+)?(\/|$)/i.test(text)
      ? `http://${text}`
      : "http://host:8000";
    return { refusal: `${shown} is not an http or https URL; write it like ${remedy}` };
  }
  const parsed = /[\s\\]/.test(text) ? null : URL.parse(text);
  if (parsed === null || parsed.port === "0") {
    return { refusal: `${shown} is not a valid URL; write it like http://host:8000` };
  }
  if (parsed.username !== "" || parsed.password !== "" || /\/\/[^/?#]*@/.test(text)) {
    return { refusal: `${shown} contains credentials; give the URL without them` };
  }
  if (/[?#]/.test(text)) {
    return { refusal: `${shown} has a query or a fragment; a base URL ends with its path` };
  }
  return { url: text.replace(/\/+$/, ""), identity: parsed.href.replace(/\/+$/, "") };
};

/** One place of the parallel lists. */
export interface BackendEntry {
  readonly url: string;
  readonly identity: string;
  readonly model?: string | undefined;
  readonly label?: string | undefined;
  readonly type?: string | undefined;
  readonly apiKey?: string | undefined;
}

/** Backends, beside sentences about entries that contradict or repeat each other. */
export interface MergedBackends {
  readonly backends: readonly ConfiguredBackend[];
  readonly conflicts: readonly string[];
  readonly warnings: readonly string[];
}

const mergeGroup = (group: readonly [BackendEntry, ...BackendEntry[]]): MergedBackends => {
  const [{ url, label, apiKey }] = group;
  const types = new Map<string, string>();
  const models = new Set<string>();
  const conflicts: string[] = [];
  const warnings: string[] = [];
  const both = (what: string, one = "", other = "") =>
    conflicts.push(`${what} is given with both ${quote(one)} and ${quote(other)}; give it one of them`);

  for (const [index, entry] of group.entries()) {
    const { model, type } = entry;
    const what = model === undefined ? url : `${url} with the model ${quote(model)}`;
    const known = model !== undefined && types.get(model);
    if (entry.apiKey !== apiKey) conflicts.push(`${url} is given two keys; give it one of them each time`);
    if (entry.label !== label) both(`the label of ${url}`, label, entry.label);
    if (known && type !== undefined && type !== known) both(`the type of ${what}`, known, type);
    if (model === undefined ? index > 0 : models.has(model)) {
      warnings.push(`${what} is given more than once and counts once`);
    }
    if (model !== undefined) models.add(model);
    if (model !== undefined && type !== undefined) types.set(model, type);
  }
  const backend = {
    url,
    ...(models.size > 0 && { models: [...models] }),
    ...(label !== undefined && { label }),
    ...(types.size > 0 && { types }),
    ...(apiKey !== undefined && { apiKey }),
  };
  return { backends: [backend], conflicts, warnings };
};

/** One backend for each engine, in order: entries with the same URL become one backend with all their models. */
export const mergeBackends = (entries: readonly BackendEntry[]): MergedBackends => {
  const groups = Map.groupBy(entries, ({ identity }) => identity);
  const merged = [...groups.values()].map(([first, ...others]) =>
    first ? mergeGroup([first, ...others]) : { backends: [], conflicts: [], warnings: [] },
  );
  return {
    backends: merged.flatMap(({ backends }) => backends),
    conflicts: [...new Set(merged.flatMap(({ conflicts }) => conflicts))],
    warnings: [...new Set(merged.flatMap(({ warnings }) => warnings))],
  };
};
