import { isMap } from "./document.ts";
import { quote } from "./schemas.ts";
import { suggest } from "./suggest.ts";

/** Texts of options by their key in the file, with what was wrong: one sentence each. */
export interface Flattened {
  readonly texts: ReadonlyMap<string, string>;
  readonly refusals: readonly string[];
  readonly warnings: readonly string[];
}

const ENTRY_KEYS = ["static_backends", "static_model_type"] as const;

/** A value that stands in a comma-separated list, or `undefined`. */
const asItem = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" ? String(value) : undefined;

/** A list of items, or text with commas, as items. */
const asItems = (value: unknown): readonly (string | undefined)[] | undefined => {
  if (Array.isArray(value)) return value.map(asItem);
  const item = asItem(value);
  return item === undefined ? undefined : item.split(",").map((part) => part.trim());
};

const COMMA = "contains a comma, which parts the items of a list";

/** Items as one text with commas, or the sentence that refuses one of them. */
export const joinItems = (
  items: readonly unknown[],
): { readonly text: string } | { readonly refusal: string } => {
  const texts: string[] = [];
  for (const item of items) {
    const text = asItem(item);
    if (text === undefined) return { refusal: "an item is not text" };
    if (text.includes(",")) return { refusal: `${quote(text)} ${COMMA}` };
    texts.push(text);
  }
  return { text: texts.join(",") };
};

/**
 * Flattens `static_models: {model: {static_backends, static_model_type}}` into parallel lists: a model with
 * several backends is named once for each. A model without a type keeps its place in the list of types.
 */
export const flattenModels = (models: Readonly<Record<string, unknown>>): Flattened => {
  const refusals: string[] = [];
  const warnings: string[] = [];
  const rows: { readonly model: string; readonly backend: string; readonly type: string }[] = [];
  for (const [model, entry] of Object.entries(models)) {
    const shown = quote(model);
    if (model === "" || model.includes(",")) {
      refusals.push(model === "" ? "a model has no name" : `${shown} ${COMMA}`);
      continue;
    }
    if (entry !== null && !isMap(entry)) {
      refusals.push(`${shown} needs static_backends and may have static_model_type`);
      continue;
    }
    for (const key of Object.keys(entry ?? {})) {
      if (ENTRY_KEYS.some((known) => known === key)) continue;
      const near = suggest(key, ENTRY_KEYS);
      refusals.push(
        `${shown} has no key ${quote(key)}; ${near === undefined ? `known are ${ENTRY_KEYS.join(" and ")}` : `did you mean ${near}?`}`,
      );
    }
    const { static_backends: backends = null, static_model_type: type = null } = entry ?? {};
    const urls = backends === null ? [] : asItems(backends);
    const word = type === null ? "" : asItem(type);
    if (urls === undefined || urls.some((url) => url === undefined || url.includes(","))) {
      refusals.push(`static_backends of ${shown} is not a list of URLs`);
    } else if (word === undefined || word.includes(",")) {
      refusals.push(`static_model_type of ${shown} is not one word`);
    } else {
      if (urls.length === 0) warnings.push(`${shown} has no static_backends and is left out`);
      rows.push(...urls.map((url) => ({ model, backend: url ?? "", type: word })));
    }
  }
  const texts = new Map([
    ["static_backends", rows.map(({ backend }) => backend).join(",")],
    ["static_models", rows.map(({ model }) => model).join(",")],
  ]);
  if (rows.some(({ type }) => type !== "")) {
    texts.set("static_model_types", rows.map(({ type }) => type).join(","));
  }
  return { texts, refusals, warnings };
};

/** Flattens `static_aliases: {alias: model}` into `alias:model` items. */
export const flattenAliases = (aliases: Readonly<Record<string, unknown>>): Flattened => {
  const refusals: string[] = [];
  const items = Object.entries(aliases).map(([alias, value]) => {
    const model = asItem(value);
    if (model === undefined) refusals.push(`the model of ${quote(alias)} is not text`);
    else if (alias.includes(":")) refusals.push(`${quote(alias)} contains a colon, which ends an alias`);
    else if (`${alias}${model}`.includes(",")) refusals.push(`${quote(`${alias}: ${model}`)} ${COMMA}`);
    return `${alias}:${model}`;
  });
  return { texts: new Map([["static_aliases", items.join(",")]]), refusals, warnings: [] };
};
