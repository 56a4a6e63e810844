import { expect, test } from "bun:test";
import { describeConfig } from "../../src/cli/check.ts";
import { parseConfig } from "../../src/config/config.ts";
import { routerOptions } from "../../src/config/options.ts";
import { type Setting, defaultSettings, mergeSettings } from "../../src/config/sources.ts";
import { parseArgv } from "../../src/config/argv.ts";

const describeArgv = (argv: readonly string[], more: readonly [string, Setting][] = []): string => {
  const { settings: flags, positionals: urls } = parseArgv(routerOptions, argv);
  const settings = mergeSettings(defaultSettings(routerOptions), flags);
  const parsed = parseConfig({ settings, urls, engineApiKey: "canary" });
  if ("problems" in parsed) throw new Error(parsed.problems.map(({ message }) => message).join());
  return describeConfig(parsed.config, mergeSettings(settings, new Map(more)));
};

test("each value is there with where it comes from, and parses as YAML", () => {
  const text = describeArgv(["http://a", "--session-key=00123", "--port", "9", "--log-stats"]);
  expect(text).toContain('session_key: "00123" # --session-key\n');
  expect(text).toContain("port: 9 # --port\n");
  expect(text).toContain('host: "0.0.0.0" # default\n');
  expect(Bun.YAML.parse(text)).toMatchObject({
    session_key: "00123",
    port: 9,
    log_stats: true,
    semantic_cache_threshold: 0.95,
    host: "0.0.0.0",
  });
});

test("what is not set is left out", () => {
  expect(describeArgv(["http://a"])).not.toContain("session_key");
});

test("engines, aliases and routing are shown as they were understood", () => {
  const argv = ["http://a/", "http://b", "--static-models=m,n", "--static-model-labels=x,"];
  const text = describeArgv([...argv, "--static-aliases=gpt:m"]);
  expect(text).toContain(
    "# routing: roundrobin\n# engine http://a: m (x)\n# engine http://b: n\n# alias gpt: m\n",
  );
  expect(describeArgv(["http://a"])).toContain("# engine http://a: asked for its models\n");
});

test("secrets are masked", () => {
  const setting: Setting = {
    text: "https://canary@sentry",
    source: "environment",
    name: "VLLM_ROUTER_SENTRY_DSN",
  };
  const text = describeArgv(["http://a"], [["sentryDsn", setting]]);
  expect(text).toContain('sentry_dsn: "****" # VLLM_ROUTER_SENTRY_DSN\n');
  expect(text).not.toContain("canary");
});

test("a value cannot forge a line", () => {
  expect(describeArgv(["http://a", "--static-models=m\nport: 1"])).not.toContain("\nport: 1");
});
