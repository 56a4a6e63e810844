import type { CommandLine } from "../config/argv.ts";
import { type ParsedConfig, configFileOf, parseConfig } from "../config/config.ts";
import { readText } from "../config/document.ts";
import { readEnvironment } from "../config/environment.ts";
import { type FileSettings, parseConfigFile } from "../config/file.ts";
import { readKeyFile } from "../config/key-files.ts";
import { routerOptions } from "../config/options.ts";
import type { Problem } from "../config/problem.ts";
import { type Settings, defaultSettings, mergeSettings } from "../config/sources.ts";
import { suggest } from "../config/suggest.ts";
import type { OptionTable } from "../core/option.ts";
import type { CliPlatform } from "./command.ts";

const describeStray = (argument: string, commands: readonly string[]): Problem => {
  const near = suggest(argument, commands);
  const remedy = commands.includes(argument)
    ? `a command comes first: vllm-router ${argument} ...`
    : `neither a command nor the URL of an engine${near === undefined ? "; see --help" : `; did you mean ${near}?`}`;
  return { kind: "usage", key: argument, message: remedy };
};

/** Parses the text of the configuration file, beside flags and variables that stay as they were given. */
export type ReparseConfig = (text: string) => Promise<ParsedConfig>;

/** A configuration of the router as it was given, before and after it is parsed. */
export type GivenConfig = ParsedConfig & {
  readonly settings: Settings;
  /** The configuration file as it was read, where one is named and could be read. */
  readonly file?: { readonly text: string; readonly reparse: ReparseConfig } | undefined;
};

const table: OptionTable = routerOptions;
const atStart = Object.entries(table).flatMap(([property, row]) => (row.atStart ? [property] : []));

/** Settings whose options are read at the start put back to what they were then, with a word on each that changed. */
const keepStarted = (settings: Settings, started: Settings) => {
  const kept = new Map(settings);
  const warnings: string[] = [];
  for (const property of atStart) {
    const now = settings.get(property);
    const before = started.get(property);
    if (now?.text === before?.text) continue;
    warnings.push(`${now?.name ?? before?.name ?? property} has changed; it takes effect at the next start`);
    if (before) kept.set(property, before);
    else kept.delete(property);
  }
  return { settings: kept, warnings };
};

const findShadowed = (file: Settings, stronger: Settings): readonly string[] =>
  file
    .entries()
    .flatMap(([property, { name, text }]) => {
      const other = stronger.get(property);
      return other && other.text !== text ? [`${name} has no effect: ${other.name} is stronger`] : [];
    })
    .toArray();

const empty: FileSettings = {
  settings: new Map(),
  problems: [],
  warnings: [],
  isEmpty: true,
  isBroken: false,
};

/**
 * The configuration that a command line, the environment and a configuration file give: built-in defaults, then
 * the file, then variables, then flags. Arguments without a flag are URLs of engines; a bare word is most likely
 * a misspelt command.
 */
export const readRouterConfig = async (
  { settings: flags, positionals, problems }: CommandLine,
  { env }: Pick<CliPlatform, "env">,
  commands: readonly string[],
): Promise<GivenConfig> => {
  const environment = readEnvironment(routerOptions, env);
  const stronger = mergeSettings(environment.settings, flags);
  const defaults = defaultSettings(routerOptions);
  const isWord = (argument: string) => /^[a-z-]+$/i.test(argument);
  const usage = [
    ...problems,
    ...positionals.filter(isWord).map((argument) => describeStray(argument, commands)),
  ];
  const json = stronger.get("dynamicConfigJson");
  const yaml = stronger.get("dynamicConfigYaml");
  if (json && yaml) {
    usage.push({
      kind: "usage",
      key: json.name,
      message: `not allowed beside ${yaml.name}; give one of them`,
    });
  }

  const parse = async (settings: Settings, file: FileSettings): Promise<ParsedConfig> => {
    const [problem, ...others] = [...usage, ...file.problems];
    if (problem && file.isBroken) return { problems: [problem, ...others], warnings: [] };
    const paths = settings.get("apiKeyFile")?.text.split(",") ?? [];
    const parsed = parseConfig({
      settings,
      urls: positionals.filter((argument) => !isWord(argument)),
      problems: [...usage, ...file.problems],
      keyFiles: await Promise.all(paths.map(async (path) => readKeyFile(path.trim()))),
      engineApiKey: env["VLLM_API_KEY"],
    });
    const shadowed = findShadowed(file.settings, stronger);
    return { ...parsed, warnings: [...file.warnings, ...shadowed, ...parsed.warnings] };
  };
  const start = async (file: FileSettings) => {
    const settings = mergeSettings(defaults, file.settings, stronger);
    const parsed = await parse(settings, file);
    return { ...parsed, settings, warnings: [...environment.warnings, ...parsed.warnings] };
  };

  const named = configFileOf(stronger);
  if (!named || (json && yaml)) return start(empty);
  const { path } = named;
  const refuse = (message: string): Problem => ({ kind: "configuration", key: path, message });
  const read = await readText(path);
  if ("refusals" in read) return start({ ...empty, problems: read.refusals.map(refuse), isBroken: true });

  const started = await start(await parseConfigFile(read.text, named, routerOptions));
  const reparse: ReparseConfig = async (text) => {
    const given = await parseConfigFile(text, named, routerOptions);
    const file = given.isEmpty ? { ...given, problems: [refuse("it is empty")], isBroken: true } : given;
    const merged = mergeSettings(defaults, file.settings, stronger);
    const kept = keepStarted(merged, started.settings);
    const parsed = await parse(kept.settings, file);
    return { ...parsed, warnings: [...kept.warnings, ...parsed.warnings] };
  };
  return { ...started, file: { text: read.text, reparse } };
};
