import { type OptionTable, flagName } from "../core/option.ts";
import type { Problem } from "./problem.ts";
import { quote } from "./schemas.ts";
import type { Setting, Settings } from "./sources.ts";
import { suggest } from "./suggest.ts";

/** A command line that was read; `problems` says what could not be. */
export interface CommandLine {
  readonly settings: Settings;
  readonly positionals: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
  readonly problems: readonly Problem[];
}

/** A negative number is a value, and so is the lone dash, as in the reference. */
const isFlag = (argument: string): boolean =>
  argument.length > 1 && argument.startsWith("-") && !/^-(\d+\.?\d*|\.\d+)$/.test(argument);

/** A flag by its name or by any unique beginning of it, or the sentence that refuses it. */
const resolve = (given: string, flags: readonly string[]): { flag: string } | { refusal: string } => {
  if (flags.includes(given)) return { flag: given };
  const candidates = given.length > 2 ? flags.filter((flag) => flag.startsWith(given)) : [];
  const [flag] = candidates;
  if (flag !== undefined && candidates.length === 1) return { flag };
  if (flag !== undefined) return { refusal: `may be any of ${candidates.join(", ")}; write more of it` };
  const near = suggest(given, flags);
  return { refusal: near === undefined ? "no such flag; see --help" : `no such flag; did you mean ${near}?` };
};

/**
 * Reads arguments by a table, in the manner of Python's argparse: `--flag value` and `--flag=value`, unique
 * beginnings of names, the last occurrence wins, `--` ends the flags, a value that begins with a dash needs
 * `--flag=`. Values stay text. It does not stop at the first problem, which is why node's parseArgs does not
 * serve here.
 */
export const parseArgv = (table: OptionTable, argv: readonly string[]): CommandLine => {
  const properties = new Map(Object.keys(table).map((property) => [`--${flagName(property)}`, property]));
  const flags = ["--help", "--version", ...properties.keys()];
  const settings = new Map<string, Setting>();
  const positionals: string[] = [];
  const problems: Problem[] = [];
  const refuse = (key: string, message: string) => problems.push({ kind: "usage", key, message });
  const standalone = { "--help": false, "--version": false };

  let at = 0;
  /** Takes the next argument if it can be a value. */
  const takeValue = (): string | undefined => {
    const value = argv[at];
    if (value === undefined || isFlag(value)) return undefined;
    at += 1;
    return value;
  };
  const readFlag = (argument: string): void => {
    const equals = argument.indexOf("=");
    const given = equals < 0 ? argument : argument.slice(0, equals);
    const inline = equals < 0 ? undefined : argument.slice(equals + 1);
    const resolved = given === "-h" ? { flag: "--help" } : resolve(given, flags);
    if ("refusal" in resolved) {
      refuse(given, resolved.refusal);
      // What follows an unknown flag is most likely its value; reporting that as well would only mislead.
      if (inline === undefined) takeValue();
      return;
    }
    const { flag: name } = resolved;
    if (name === "--help" || name === "--version") {
      if (inline !== undefined) refuse(name, `takes no value, but got ${quote(inline)}`);
      standalone[name] = true;
      return;
    }
    const property = properties.get(name) ?? "";
    const placeholder = table[property]?.argument;
    const text = inline ?? (placeholder === undefined ? "true" : takeValue());
    const earlier = table[property]?.repeats ? settings.get(property)?.text : undefined;
    if (text !== undefined) {
      settings.set(property, {
        text: earlier === undefined ? text : `${earlier},${text}`,
        source: "flag",
        name,
      });
    } else if (at >= argv.length) refuse(name, `a value is missing; write ${name} ${placeholder}`);
    else refuse(name, `a value is missing; one that begins with a dash is written ${name}=-...`);
  };

  for (let argument = argv[at]; argument !== undefined; argument = argv[at]) {
    at += 1;
    if (argument === "--") {
      positionals.push(...argv.slice(at));
      break;
    }
    if (isFlag(argument)) readFlag(argument);
    else positionals.push(argument);
  }
  return {
    settings,
    positionals,
    help: standalone["--help"],
    version: standalone["--version"],
    problems,
  };
};
