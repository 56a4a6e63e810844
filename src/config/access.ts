import type { AccessOptions } from "../access/keyring.ts";
import { parseKeys } from "../access/keys.ts";
import type { KeyFileReading } from "./key-files.ts";
import type { RouterOptionValues } from "./options.ts";
import type { Problem } from "./problem.ts";
import { type Settings, nameOf } from "./sources.ts";

/** Who may use the router, as flags, variables and files say together. */
export interface ResolvedAccess {
  /** Absent where everybody may. */
  readonly access?: AccessOptions;
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

/** Options with keys in them, which a flag shows to everybody on the machine. */
const WITH_KEYS = ["apiKey", "staticBackendApiKeys"] as const;

/** Resolves the keys that clients must present. */
export const resolveAccess = (
  { apiKey }: Pick<RouterOptionValues, "apiKey">,
  keyFiles: readonly KeyFileReading[],
  settings: Settings,
): ResolvedAccess => {
  const refuse = (property: string, message: string): Problem => ({
    kind: "configuration",
    key: nameOf(settings, property),
    message,
  });
  const problems: Problem[] = [];
  const given = apiKey === undefined ? undefined : parseKeys(apiKey);
  if (apiKey?.length === 0) problems.push(refuse("apiKey", "is empty; leave it out where everybody may ask"));
  if (given && "refusals" in given) {
    problems.push(...given.refusals.map((refusal) => refuse("apiKey", refusal)));
  }
  for (const file of keyFiles) {
    if (!("refusals" in file)) continue;
    problems.push(...file.refusals.map((refusal) => refuse("apiKeyFile", `${file.path}: ${refusal}`)));
  }
  const shown = WITH_KEYS.flatMap((property) => {
    const setting = settings.get(property);
    return setting?.source === "flag"
      ? [
          `${setting.name} shows its keys in the list of processes; give them in a file or in the environment instead`,
        ]
      : [];
  });
  const files = keyFiles.filter((file) => "keys" in file).map(({ path, keys }) => ({ path, keys }));
  const keys = given && "keys" in given ? given.keys : [];
  return {
    ...(keys.length + files.length > 0 && { access: { keys, files } }),
    problems,
    warnings: [...shown, ...keyFiles.flatMap(({ warnings }) => warnings)],
  };
};
