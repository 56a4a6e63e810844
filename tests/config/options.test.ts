import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { parseArgv } from "../../src/config/argv.ts";
import { routerOptions } from "../../src/config/options.ts";
import { defaultSettings, mergeSettings, readOptions } from "../../src/config/sources.ts";
import { type Option, flagName } from "../../src/core/option.ts";

type Kind = "text" | "list" | "integer" | "decimal" | "switch" | readonly string[];

/** Words of the reference, and our own. */
const logics = [
  "roundrobin",
  "session",
  "kvaware",
  "prefixaware",
  "disaggregated_prefill",
  "disaggregated_prefill_orchestrated",
  "cacheaware",
  "loadaware",
  "leastload",
  "poweroftwo",
];

/** Flags of the reference: name, kind or choices, default. */
const contract: readonly (readonly [flag: string, kind: Kind, fallback?: unknown])[] = [
  ["host", "text", "0.0.0.0"],
  ["port", "integer", 8001],
  ["root-path", "text", ""],
  ["log-level", ["critical", "error", "warning", "info", "debug", "trace"], "info"],
  ["log-format", ["text", "json"], "text"],
  ["service-discovery", ["static", "k8s", "external-only"]],
  ["static-backends", "list"],
  ["static-models", "list"],
  ["static-aliases", "list"],
  ["static-model-types", "list"],
  ["static-model-labels", "list"],
  ["static-backend-health-checks", "switch", false],
  ["static-backend-health-check-interval", "integer", 60],
  ["static-backend-health-check-timeout-seconds", "integer", 10],
  ["k8s-service-discovery-type", ["pod-ip", "service-name"]],
  ["k8s-port", "integer", 8000],
  ["k8s-namespace", "text", "default"],
  ["k8s-label-selector", "text", ""],
  ["k8s-watcher-timeout-seconds", "integer", 0],
  ["backend-health-check-timeout-seconds", "integer", 10],
  ["routing-logic", logics],
  ["session-key", "text"],
  ["prefix-min-match-length", "integer", 0],
  ["kv-aware-threshold", "integer", 2000],
  ["prefill-model-labels", "list"],
  ["decode-model-labels", "list"],
  // 0 in the reference, where a failure goes to the client that another engine would have made good.
  ["max-instance-failover-reroute-attempts", "integer", 2],
  ["lmcache-controller-port", "integer", 9000],
  ["lmcache-controller-reply-port", "integer"],
  ["lmcache-controller-heartbeat-port", "integer"],
  ["lmcache-health-check-interval", "integer", 5],
  ["lmcache-worker-timeout", "integer", 30],
  ["callbacks", "text"],
  ["request-rewriter", ["noop"], "noop"],
  ["enable-batch-api", "switch", false],
  ["file-storage-class", ["local_file"], "local_file"],
  ["file-storage-path", "text"],
  ["batch-processor", ["local"], "local"],
  ["engine-stats-interval", "integer", 30],
  ["request-stats-window", "integer", 60],
  ["log-stats", "switch", false],
  ["log-stats-interval", "integer", 10],
  ["dynamic-config-yaml", "text"],
  ["dynamic-config-json", "text"],
  ["external-providers-config", "text"],
  ["feature-gates", "text", ""],
  ["semantic-cache-model", "text", "all-MiniLM-L6-v2"],
  ["semantic-cache-dir", "text", "semantic_cache"],
  ["semantic-cache-threshold", "decimal", 0.95],
  ["sentry-dsn", "text"],
  ["sentry-traces-sample-rate", "decimal", 0.1],
  ["sentry-profile-session-sample-rate", "decimal", 1],
  ["otel-endpoint", "text"],
  ["otel-service-name", "text", "vllm-router"],
  ["otel-secure", "switch", false],
];

/** Flags that the reference does not have. */
const own = [
  "load-aware-beta",
  "endpoint-header",
  "reason-header",
  "record-trace",
  "server-timing",
  "upstream-connect-timeout-seconds",
  "upstream-head-timeout-seconds",
  "upstream-first-chunk-timeout-seconds",
  "upstream-chunk-idle-timeout-seconds",
  "request-timeout-seconds",
  "client-stall-timeout-seconds",
  "dynamic-config-interval-seconds",
  "max-request-body-bytes",
  "idle-timeout-seconds",
  "drain-delay-seconds",
  "admin-host",
  "admin-port",
  "api-key",
  "api-key-file",
  "trusted-proxies",
  "request-body-timeout-seconds",
  "static-backend-api-keys",
  "max-concurrent-requests",
  "max-concurrent-requests-per-engine",
  "queue-size",
  "queue-timeout-seconds",
  "drain-timeout-seconds",
  "disable-health-check",
  "count-stream-usage",
  "disable-circuit-breaker",
  "cb-failure-threshold",
  "cb-success-threshold",
  "cb-timeout-duration-secs",
  "cb-window-duration-secs",
  "panic-mode",
  "slow-start-secs",
  "health-check-endpoint",
  "health-check-interval-secs",
  "health-check-timeout-secs",
  "health-failure-threshold",
  "health-success-threshold",
  "workers",
];

const rows: Readonly<Record<string, Option>> = routerOptions;
const properties = new Map(Object.keys(rows).map((property) => [flagName(property), property]));
const propertyOf = (flag: string): string => properties.get(flag) ?? `(no row for --${flag})`;

/** What the table makes of `--flag=text`: the value, or the problem. */
const read = (flag: string, text: string): unknown => {
  const { settings, problems } = parseArgv(rows, [`--${flag}=${text}`]);
  const row = { ...rows[propertyOf(flag)] } as Option;
  delete (row as { unavailable?: string }).unavailable;
  const result = readOptions({ [propertyOf(flag)]: row }, settings);
  return [...problems, ...result.problems][0] ?? result.values[propertyOf(flag)];
};

const problem = (kind: "usage" | "configuration", message?: string) =>
  expect.objectContaining({ kind, ...(message !== undefined && { message }) });

const usage = problem("usage");

test("the table holds the flags of the reference and our own, and no others", () => {
  expect([...properties.keys()].sort()).toEqual([...contract.map(([flag]) => flag), ...own].sort());
});

describe.each(contract)("--%s", (flag, kind, fallback) => {
  test("has the default of the reference", () => {
    const row = rows[propertyOf(flag)];
    if (!row) throw new Error(`no row for --${flag}`);
    expect(row.default === undefined ? undefined : v.parse(row.schema, row.default)).toEqual(fallback);
  });

  test("reads values of its kind and refuses others", () => {
    if (typeof kind !== "string") {
      for (const word of kind) expect(read(flag, word)).toBe(word);
      for (const word of ["", "bogus", kind[0]?.toUpperCase() ?? ""]) expect(read(flag, word)).toEqual(usage);
    } else if (kind === "integer") {
      expect(read(flag, " 42 ")).toBe(42);
      for (const word of ["", "abc", "1.5", "0x10", "1e3", "NaN", "4 2"]) {
        expect(read(flag, word)).toEqual(usage);
      }
      expect(read(flag, "99999999999999999999")).toEqual(problem("configuration"));
    } else if (kind === "decimal") {
      expect(read(flag, "0.25")).toBe(0.25);
      expect(read(flag, ".5")).toBe(0.5);
      for (const word of ["", "abc", "0x1", "Infinity", "nan"]) expect(read(flag, word)).toEqual(usage);
    } else if (kind === "switch") {
      for (const word of ["true", "1", "Yes", "on"]) expect(read(flag, word)).toBe(true);
      for (const word of ["false", "0", "No", "off", ""]) expect(read(flag, word)).toBe(false);
      expect(read(flag, "maybe")).toEqual(usage);
    } else {
      // cac would make numbers of these.
      for (const word of ["00123", "0x10", "1e5", "true", "-1", " "]) {
        expect(read(flag, word)).toEqual(kind === "text" ? word : word.trim() === "" ? [] : [word]);
      }
    }
  });
});

test.each([
  ["port", ["0", "65535"], ["-1", "65536"]],
  ["k8s-port", ["1", "65535"], ["0"]],
  ["idle-timeout-seconds", ["1", "255"], ["0", "256"]],
  ["max-request-body-bytes", ["1", "9007199254740991"], ["0"]],
  ["max-instance-failover-reroute-attempts", ["0", "5"], ["-1"]],
  ["sentry-traces-sample-rate", ["0", "1.0"], ["-0.1", "1.1"]],
  ["sentry-profile-session-sample-rate", ["0", "1.0"], ["-0.1", "1.1"]],
])("--%s has bounds, and a value beyond them is an error of configuration", (flag, inside, outside) => {
  for (const text of inside) expect(read(flag, text)).toBe(Number(text));
  for (const text of outside) expect(read(flag, text)).toEqual(problem("configuration"));
});

test.each([
  ["engine-stats-interval", "0", "Engine stats interval must be greater than 0."],
  ["request-stats-window", "-5", "Request stats window must be greater than 0."],
  ["sentry-traces-sample-rate", "2", "Sentry traces sample rate must be between 0.0 and 1.0."],
  [
    "sentry-profile-session-sample-rate",
    "2",
    "Sentry profile session sample rate must be between 0.0 and 1.0.",
  ],
])("--%s %s is refused with the sentence of the reference", (flag, text, sentence) => {
  expect(read(flag, text)).toEqual(problem("configuration", sentence));
});

test("every row is documented: a sentence, a group and a default that its own schema reads", () => {
  const { problems } = readOptions(routerOptions, mergeSettings(defaultSettings(routerOptions)));
  expect(problems).toEqual([]);
  for (const row of Object.values(rows)) {
    expect(row.help).toMatch(/^[A-Z].*\.$/);
    expect(row.group).not.toBe("");
    if (row.argument === undefined) expect(row.default).toBe("false");
    else expect(row.argument).toMatch(/^<.+>$/);
    if (row.unavailable !== undefined) expect(row.unavailable).toMatch(/ not available yet\.$/);
  }
});
