import type { CommandLine } from "../config/argv.ts";
import { type ParsedConfig, parseConfig } from "../config/config.ts";
import { readEnvironment } from "../config/environment.ts";
import { routerOptions } from "../config/options.ts";
import type { Problem } from "../config/problem.ts";
import { type Settings, defaultSettings, mergeSettings } from "../config/sources.ts";
import { suggest } from "../config/suggest.ts";
import type { CliPlatform } from "./command.ts";

const describeStray = (argument: string, commands: readonly string[]): Problem => {
  const near = suggest(argument, commands);
  const remedy = commands.includes(argument)
    ? `a command comes first: vllm-router ${argument} ...`
    : `neither a command nor the URL of an engine${near === undefined ? "; see --help" : `; did you mean ${near}?`}`;
  return { kind: "usage", key: argument, message: remedy };
};

/** A configuration of the router as it was given, before and after it is parsed. */
export type GivenConfig = ParsedConfig & { readonly settings: Settings };

/**
 * The configuration that a command line and the environment give: built-in defaults, then variables, then
 * flags. Arguments without a flag are URLs of engines; a bare word is most likely a misspelt command.
 */
export const readRouterConfig = (
  { settings: flags, positionals, problems }: CommandLine,
  { env }: Pick<CliPlatform, "env">,
  commands: readonly string[],
): GivenConfig => {
  const environment = readEnvironment(routerOptions, env);
  const settings = mergeSettings(defaultSettings(routerOptions), environment.settings, flags);
  const isWord = (argument: string) => /^[a-z-]+$/i.test(argument);
  const parsed = parseConfig({
    settings,
    urls: positionals.filter((argument) => !isWord(argument)),
    problems: [
      ...problems,
      ...positionals.filter(isWord).map((argument) => describeStray(argument, commands)),
    ],
    engineApiKey: env["VLLM_API_KEY"],
  });
  return { ...parsed, settings, warnings: [...environment.warnings, ...parsed.warnings] };
};
