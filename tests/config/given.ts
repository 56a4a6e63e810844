import { parseArgv } from "../../src/config/argv.ts";
import { type Config, type ParsedConfig, parseConfig } from "../../src/config/config.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { routerOptions } from "../../src/config/options.ts";
import { describeProblem } from "../../src/config/problem.ts";
import { defaultSettings, mergeSettings } from "../../src/config/sources.ts";

type Environment = Readonly<Record<string, string>>;

/** Parses a whole configuration from arguments and an environment. */
export const parse = (argv: readonly string[], environment: Environment = {}): ParsedConfig => {
  const commandLine = parseArgv(routerOptions, argv);
  const { settings } = readEnvironment(routerOptions, environment);
  return parseConfig({
    settings: mergeSettings(defaultSettings(routerOptions), settings, commandLine.settings),
    urls: commandLine.positionals,
    problems: commandLine.problems,
  });
};

/** The configuration that arguments give; throws with every problem when there is none. */
export const configOf = (argv: readonly string[], environment: Environment = {}): Config => {
  const parsed = parse(argv, environment);
  if ("problems" in parsed) throw new Error(parsed.problems.map(describeProblem).join("\n"));
  return parsed.config;
};

/** The sentences about what is wrong with arguments; empty when nothing is. */
export const problemsOf = (argv: readonly string[], environment: Environment = {}): readonly string[] => {
  const parsed = parse(argv, environment);
  return "problems" in parsed ? parsed.problems.map(describeProblem) : [];
};

/** Arguments of static discovery that are right by themselves. */
export const staticArgv = (backends = "http://a:8000,http://b:8000", models = "m,m"): string[] => [
  "--service-discovery=static",
  "--routing-logic=roundrobin",
  `--static-backends=${backends}`,
  `--static-models=${models}`,
];
