import type { Config } from "../config/config.ts";
import { routerOptions } from "../config/options.ts";
import { type Settings, readOptions } from "../config/sources.ts";
import { describeDiscovery } from "../discovery/index.ts";
import { escapeLine } from "../core/log.ts";
import { type Option, type OptionTable, fileKey } from "../core/option.ts";

const table: OptionTable = routerOptions;

const describeValue = (row: Option, text: string, value: unknown): string => {
  if (row.secret && text !== "") return '"****"';
  return typeof value === "number" || typeof value === "boolean" ? String(value) : JSON.stringify(text);
};

const describeEngines = (discovery: Config["discovery"]): readonly string[] =>
  discovery.kind === "static"
    ? discovery.backends.map(
        ({ url, models, label }) =>
          `# engine ${url}: ${models?.join(", ") ?? "asked for its models"}${label === undefined ? "" : ` (${label})`}`,
      )
    : [`# engines: ${describeDiscovery(discovery)}`];

const describeAccess = ({ access, engineApiKey }: Config): readonly string[] => {
  const names =
    access && [...access.keys, ...access.files.flatMap(({ keys }) => keys)].map(({ name }) => name);
  const whom = access ? "engines" : "engines that the router itself asks";
  return [
    ...(names ? [`# clients must present a key: ${names.join(", ")}`] : []),
    ...(engineApiKey === undefined ? [] : [`# VLLM_API_KEY is sent to ${whom}`]),
  ];
};

const describeResult = (config: Config): readonly string[] => {
  const { discovery, aliases, routing } = config;
  return [
    `# routing: ${routing.logic}`,
    ...describeEngines(discovery),
    ...aliases
      .entries()
      .map(([alias, model]) => `# alias ${alias}: ${model}`)
      .toArray(),
    ...describeAccess(config),
  ];
};

/** The effective configuration as YAML, secrets masked, each value with where it comes from. */
export const describeConfig = (config: Config, settings: Settings): string => {
  const { values } = readOptions(table, settings);
  const lines = Object.entries(table).flatMap(([property, row]) => {
    const setting = settings.get(property);
    if (!setting) return [];
    const origin = setting.source === "default" ? "default" : setting.name;
    return [`${fileKey(property)}: ${describeValue(row, setting.text, values[property])} # ${origin}`];
  });
  return [...lines, ...describeResult(config)].map((line) => `${escapeLine(line)}\n`).join("");
};
