import { quote } from "./schemas.ts";

/** Aliases that were read, beside sentences about those that were not. */
export interface Aliases {
  /** Model by alias. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly refusals: readonly string[];
}

/**
 * Reads `alias:model` items. Each is split at its first colon, since names of models may contain some.
 * Without `models` (they are not known yet) it is not checked whether they exist.
 */
export const parseAliases = (items: readonly string[], models?: ReadonlySet<string>): Aliases => {
  const aliases = new Map<string, string>();
  const refusals: string[] = [];
  for (const item of items) {
    const colon = item.indexOf(":");
    const alias = item.slice(0, colon).trim();
    const model = item.slice(colon + 1).trim();
    const known = aliases.get(alias);
    if (colon < 0 || alias === "" || model === "") {
      refusals.push(`${quote(item)} is not an alias; write it like alias:model`);
    } else if (known !== undefined && known !== model) {
      refusals.push(`${quote(alias)} stands for both ${quote(known)} and ${quote(model)}; give it one model`);
    } else if (models?.has(alias)) {
      refusals.push(`${quote(alias)} is itself the name of a served model; choose another alias`);
    } else if (models && !models.has(model)) {
      refusals.push(
        `${quote(alias)} stands for ${quote(model)}, which no backend serves; served are ${[...models].join(", ")}`,
      );
    } else {
      aliases.set(alias, model);
    }
  }
  return { aliases, refusals };
};
