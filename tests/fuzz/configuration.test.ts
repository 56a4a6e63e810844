import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseConfig, type ParsedConfig } from "../../src/config/config.ts";
import { parseConfigFile } from "../../src/config/file.ts";
import { routerOptions } from "../../src/config/options.ts";
import { describeProblem } from "../../src/config/problem.ts";
import { defaultSettings, mergeSettings } from "../../src/config/sources.ts";
import { escapeLine } from "../../src/core/log.ts";
import { environmentName, flagName } from "../../src/core/option.ts";
import { parse, staticArgv } from "../config/given.ts";

const FILES = 12_000;
const COMMANDS = 24_000;

const options = Object.keys(routerOptions);
const option = fc.constantFrom(...options);
const VALUES = [
  "",
  "0",
  "-1",
  "1e999",
  "0x10",
  "true",
  "http://a:1",
  "http://a:1,http://b",
  "m",
  "m,m",
  "static",
  "k8s",
  "roundrobin",
  "session",
  "a:b",
  ":",
  ",",
  "[::1]:1",
  "../../x",
  "null",
  "http://[",
  "10.0.0.0/8",
];
const value = fc.oneof(fc.constantFrom(...VALUES), fc.string({ unit: "grapheme", maxLength: 12 }));

/** What was refused is said in one line each, as lines are written, and what was not is a configuration. */
const isPlain = (parsed: ParsedConfig): boolean => {
  if (!("problems" in parsed)) return parsed.config.server.port >= 0;
  const lines = parsed.problems.map(describeProblem);
  for (const line of lines) expect(escapeLine(line)).toMatch(/^[^\r\n]+$/);
  return lines.length > 0;
};

describe("whatever is configured", () => {
  test(`by flags and variables is taken, or refused in plain lines (${COMMANDS} cases)`, () => {
    const flag = fc.oneof(
      { weight: 4, arbitrary: fc.tuple(option, value).map(([name, text]) => `--${flagName(name)}=${text}`) },
      { weight: 2, arbitrary: option.map((name) => `--${flagName(name)}`) },
      { weight: 1, arbitrary: option.map((name) => `--${flagName(name).slice(0, 9)}`) },
      { weight: 2, arbitrary: value },
      { weight: 1, arbitrary: fc.constantFrom("--", "-", "-h", "---", "-x", "--=", "--no-log-stats") },
    );
    const variables = fc.dictionary(option.map(environmentName), value, { maxKeys: 1 });
    let taken = 0;
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(flag, { maxLength: 4 }),
        variables,
        (isServing, more, environment) => {
          const parsed = parse(isServing ? [...staticArgv(), ...more] : more, environment);
          if (!("problems" in parsed)) taken += 1;
          expect(isPlain(parsed)).toBe(true);
        },
      ),
      { numRuns: COMMANDS },
    );
    console.info(`${COMMANDS} command lines: ${taken} taken, ${COMMANDS - taken} refused`);
  }, 120_000);

  test(`by a file is taken, or refused in plain lines (${FILES} cases)`, async () => {
    const snake = option.map((name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
    const key = fc.oneof(
      { weight: 5, arbitrary: snake },
      { weight: 1, arbitrary: fc.constantFrom("static_models", "static_aliases", "__proto__", "") },
    );
    const model = fc.record(
      { static_backends: fc.array(value, { maxLength: 3 }), static_model_type: value },
      { requiredKeys: [] },
    );
    const field = fc.oneof<fc.Arbitrary<unknown>[]>(
      value,
      fc.array(value, { maxLength: 3 }),
      fc.dictionary(value, model, { maxKeys: 3 }),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const document = fc.dictionary(key, field, { maxKeys: 6 });
    const yaml = document.map((fields) =>
      Object.entries(fields)
        .map(([name, each]) => `${name}: ${JSON.stringify(each)}`)
        .join("\n"),
    );
    const snippet = fc.constantFrom(
      "",
      "&a",
      "*a",
      "<<: *a",
      "!!binary x",
      "%YAML 9",
      "---\n",
      "? [",
      "- ",
      ": :",
      "\t",
      "'",
      '"',
      "|",
      "{",
      "\0",
      "\ufeff",
    );
    const text = fc.oneof(
      { weight: 3, arbitrary: document.map((fields) => JSON.stringify(fields)) },
      { weight: 3, arbitrary: yaml },
      {
        weight: 3,
        arbitrary: fc.tuple(yaml, snippet, fc.nat()).map(([whole, piece, at]) => {
          const place = whole.length === 0 ? 0 : at % whole.length;
          return whole.slice(0, place) + piece + whole.slice(place);
        }),
      },
      { weight: 1, arbitrary: fc.string({ unit: "binary-ascii", maxLength: 80 }) },
    );
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom("json" as const, "yaml" as const), async (given, format) => {
        const { settings, problems } = await parseConfigFile(given, { path: "file", format }, routerOptions);
        const merged = mergeSettings(defaultSettings(routerOptions), settings);
        expect(isPlain(parseConfig({ settings: merged, urls: [], problems }))).toBe(true);
      }),
      { numRuns: FILES },
    );
  }, 120_000);
});
