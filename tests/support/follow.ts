import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRouterConfig } from "../../src/cli/router-config.ts";
import { parseArgv } from "../../src/config/argv.ts";
import type { Config } from "../../src/config/config.ts";
import { routerOptions } from "../../src/config/options.ts";
import { createLiveRouter } from "../../src/reload.ts";
import { createRouter } from "../../src/router.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock, settle } from "./clock.ts";

/** Time between looks at the file. */
export const INTERVAL_MS = 10_000;
/** Time for which a text must stay the same. */
export const SETTLE_MS = 250;

/** Backends on one host. */
export const engines = (...ports: readonly number[]) => ports.map((port) => `http://10.0.0.1:${port}`).join();
/** A configuration of static backends that all serve the model `m`. */
export const configText = (backends: string, more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    service_discovery: "static",
    routing_logic: "roundrobin",
    static_backends: backends,
    static_models: backends.replaceAll(/[^,]+/g, "m"),
    ...more,
  });

const ask = (path: string, init: RequestInit = {}): Request =>
  new Request(`http://router${path}`, {
    headers: { host: "router", "content-type": "application/json" },
    ...init,
  });
const chat = (): Request =>
  ask("/v1/chat/completions", { method: "POST", body: JSON.stringify({ model: "m", messages: [] }) });

interface Given {
  readonly text?: string;
  readonly argv?: readonly string[];
  /** Makes `router.json` in the folder, where it is more than a file. */
  readonly prepare?: (folder: string) => Promise<void>;
  /** What engines answer. */
  readonly answer?: (url: string) => Response | Promise<Response>;
}

/** A router that follows a file in a folder of its own, with time standing still. */
export const follow = async ({ text = configText(engines(1, 2)), argv = [], ...given }: Given = {}) => {
  await using started = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "router-reload-"));
  started.defer(async () => rm(folder, { recursive: true }));
  const path = join(folder, "router.json");
  await (given.prepare?.(folder) ?? Bun.write(path, text));

  // Apart from each other, so that only what concerns the file is seen here.
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  const inside = createTestClock();
  const created: Config[] = [];
  const failures: string[] = [];
  const flags = parseArgv(routerOptions, [
    `--dynamic-config-json=${path}`,
    "--disable-health-check",
    ...argv,
  ]);
  const config = await readRouterConfig(flags, { env: {} }, []);
  if ("problems" in config || !config.config.file || !config.file) throw new Error("it is not valid");
  const asked: string[] = [];
  const platform = {
    clock: inside,
    log: createTestLog(inside).log,
    fetch: async (url: string) => {
      asked.push(url);
      return given.answer?.(url) ?? Response.json({});
    },
    reach: async () => true,
    random: () => 0.5,
  };
  const router = started.use(
    createLiveRouter(
      config.config,
      { ...config.config.file, ...config.file, warnings: config.warnings },
      {
        clock,
        log,
        onFailure: (error) => failures.push(error.message),
        create: (next, reloadStatus, previous) => {
          created.push(next);
          return createRouter(next, { ...platform, reloadStatus }, previous);
        },
      },
    ),
  );

  /** Waits for what is done outside of this process's time, such as reading a file. */
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await settle();
  };
  const isSettling = (): boolean => clock.waiting().includes(SETTLE_MS);
  const get = async (path_: string) => {
    const response = await router.fetch(ask(path_), { timeout: () => {} });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const metrics = async () => {
    const exposition = await (await router.fetch(ask("/metrics"), { timeout: () => {} })).text();
    const valueOf = (series: string): number | undefined => {
      const line = exposition.split("\n").find((each) => each.startsWith(`vllm_router_config_${series} `));
      return line === undefined ? undefined : Number(line.split(" ")[1]);
    };
    return {
      success: valueOf('reloads_total{result="success"}'),
      failure: valueOf('reloads_total{result="failure"}'),
      successful: valueOf("last_reload_successful"),
      timestamp: valueOf("last_reload_timestamp_seconds"),
    };
  };
  const parts = started.move();
  return {
    folder,
    path,
    clock,
    /** The time of the routers. */
    inside,
    router,
    created,
    failures,
    /** How often engines were asked for a path. */
    countAsked: (path_: string) => asked.filter((url) => url.endsWith(path_)).length,
    /** Lines since the last time that they were taken, without their frame. */
    takeLines: () =>
      lines
        .splice(0)
        .map((line) => line.replace(/^\[.*?\] (.*) \(vllm_router\)\n$/, "$1").replaceAll(path, "FILE")),
    until,
    isSettling,
    send: async () => (await router.fetch(chat(), { timeout: () => {} })).status,
    get,
    metrics,
    shown: async () => (await get("/health")).body["dynamic_config"] as Record<string, unknown>,
    /** Lets the file be looked at, and a change settle. */
    look: async () => {
      clock.advance(INTERVAL_MS);
      // Queued behind the look that the clock has begun.
      let isDone = false;
      const looking = router.look().then(() => (isDone = true));
      await until(() => isDone || isSettling());
      if (!isDone) clock.advance(SETTLE_MS);
      await looking;
    },
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};
