import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseArgv } from "../../src/config/argv.ts";
import { routerOptions } from "../../src/config/options.ts";
import { describeProblem } from "../../src/config/problem.ts";
import { flagName } from "../../src/core/option.ts";

const parse = (...argv: string[]) => parseArgv(routerOptions, argv);
const valueOf = (property: string, ...argv: string[]) => parse(...argv).settings.get(property)?.text;
const problemsOf = (...argv: string[]) => parse(...argv).problems.map(describeProblem);

describe("a value", () => {
  test("follows its flag or an equals sign", () => {
    expect(valueOf("port", "--port", "9")).toBe("9");
    expect(valueOf("port", "--port=9")).toBe("9");
    expect(valueOf("staticAliases", "--static-aliases=a=b:c=d")).toBe("a=b:c=d");
  });

  test("is the last one given", () => {
    expect(valueOf("port", "--port", "1", "--port=2")).toBe("2");
  });

  test("may be empty, but not absent", () => {
    expect(valueOf("rootPath", "--root-path=")).toBe("");
    expect(valueOf("rootPath", "--root-path", "")).toBe("");
    expect(problemsOf("--root-path")).toEqual(["--root-path: a value is missing; write --root-path <path>"]);
  });

  test("is not the next flag", () => {
    const { settings } = parse("--session-key", "--port", "9");
    expect(settings.get("port")?.text).toBe("9");
    expect(problemsOf("--session-key", "--port", "9")).toEqual([
      "--session-key: a value is missing; one that begins with a dash is written --session-key=-...",
    ]);
  });

  test("may be a negative number or a lone dash; with an equals sign anything", () => {
    expect(valueOf("k8sWatcherTimeoutSeconds", "--k8s-watcher-timeout-seconds", "-5")).toBe("-5");
    expect(valueOf("semanticCacheThreshold", "--semantic-cache-threshold", "-.5")).toBe("-.5");
    expect(valueOf("fileStoragePath", "--file-storage-path", "-")).toBe("-");
    expect(valueOf("sessionKey", "--session-key=--port")).toBe("--port");
  });

  test.each(Object.entries(routerOptions).filter(([, row]) => "argument" in row))(
    "of %s stays the text that was given",
    (property) => {
      expect(valueOf(property, `--${flagName(property)}`, "00123")).toBe("00123");
    },
  );
});

describe("a switch", () => {
  test("takes no word after it", () => {
    const { settings, positionals } = parse("--log-stats", "http://a");
    expect(settings.get("logStats")?.text).toBe("true");
    expect(positionals).toEqual(["http://a"]);
  });

  test("is turned off with an equals sign, to overrule the environment", () => {
    expect(valueOf("logStats", "--log-stats=false")).toBe("false");
  });
});

describe("the name of a flag", () => {
  test("may be shortened as long as it is unique", () => {
    expect(valueOf("routingLogic", "--routing", "session")).toBe("session");
    expect(valueOf("sessionKey", "--sess=x")).toBe("x");
    expect(parse("--hel").help).toBe(true);
  });

  test("wins in full over longer ones", () => {
    expect(valueOf("logStats", "--log-stats")).toBe("true");
    expect(parse("--log-stats").settings.has("logStatsInterval")).toBe(false);
  });

  test("is refused with all its candidates where it is not unique", () => {
    expect(problemsOf("--log-f", "json", "--log-s")).toEqual([
      "--log-s: may be any of --log-stats, --log-stats-interval; write more of it",
    ]);
  });

  test.each([
    ["--prot", "--port"],
    ["--static-backend-urls", "--static-backends"],
    ["--backends", undefined],
    ["--static_backends", "--static-backends"],
    ["--statc-backends", "--static-backends"],
    ["--routinglogic", "--routing-logic"],
    ["-port", "--port"],
    ["--versoin", "--version"],
    ["--zzz", undefined],
    ["-p", undefined],
  ])("%s is corrected to %p", (given, near) => {
    const remedy = near === undefined ? "see --help" : `did you mean ${near}?`;
    expect(problemsOf(given)).toEqual([`${given}: no such flag; ${remedy}`]);
  });

  test("unknown, takes its value with it", () => {
    expect(parse("--prot", "80", "http://a").positionals).toEqual(["http://a"]);
    expect(parse("--prot=80", "http://a").positionals).toEqual(["http://a"]);
  });

  test("is named without the value, which may be a secret", () => {
    expect(problemsOf("--sentry-dns=https://key@host").join()).not.toContain("key");
  });

  test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])("--%s is unknown", (name) => {
    expect(problemsOf(`--${name}=1`)).toHaveLength(1);
  });
});

test("all problems are named, not only the first", () => {
  expect(problemsOf("--prot", "80", "--log-s", "--help=1", "--host")).toHaveLength(4);
});

test("--help, -h and --version are seen anywhere, but not after --", () => {
  expect(parse("http://a", "-h")).toMatchObject({ help: true, version: false });
  expect(parse("--version", "--port", "1")).toMatchObject({ help: false, version: true });
  expect(parse("--", "--help")).toMatchObject({ help: false, positionals: ["--help"] });
});

const argument = fc.oneof(
  fc.string(),
  fc.constantFrom("--", "-", "-h", "--port", "--log-stats", "--st", "--=", "-1", "=", "--port=", "--help"),
  fc.constantFrom(...Object.keys(routerOptions)).map((property) => `--${flagName(property)}`),
  fc.string().map((text) => `--${text}`),
);

test("arbitrary arguments never throw, and no argument is lost without a word", () => {
  fc.assert(
    fc.property(fc.array(argument), (argv) => {
      const { settings, positionals, problems, help, version } = parseArgv(routerOptions, argv);
      const isHeard = settings.size + positionals.length + problems.length > 0 || help || version;
      expect(isHeard || argv.every((text) => text === "--")).toBe(true);
      for (const { text } of settings.values()) expect(typeof text).toBe("string");
      for (const text of positionals) expect(argv).toContain(text);
    }),
  );
});

test("any value comes back as it was given, by an equals sign", () => {
  fc.assert(
    fc.property(fc.string(), (text) => expect(valueOf("sessionKey", `--session-key=${text}`)).toBe(text)),
  );
});
