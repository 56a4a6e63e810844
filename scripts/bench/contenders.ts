import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "./child.ts";
import { findHaproxy, haproxyConfig } from "./haproxy.ts";
import { findNginx, nginxConfig } from "./nginx.ts";
import { pythonWith, type RustRouter, rustRouters } from "./rust-routers.ts";
import { byEngineCount, byPolicy, byWorkerCount, executable, rivals, staticFlags } from "./own-routers.ts";

/** Something that relays, to be compared with others: a row of the benchmark. */
export interface Contender {
  readonly name: string;
  readonly summary: string;
  /** Those that are measured together where none are named; among the rivals where absent, and "start" only there. */
  readonly set?: "policies" | "endpoints" | "workers" | "start";
  /** How many engines it stands in front of: two where absent. */
  readonly engines?: number;
  readonly launch: (setup: Setup) => Promise<Launch>;
}

/** What a contender is given. */
export interface Setup {
  /** Port of 127.0.0.1 to listen on. */
  readonly port: number;
  /** Base URLs of the engines. */
  readonly engines: readonly string[];
  /** For files of its own. */
  readonly folder: string;
  /** The project's folder. */
  readonly root: string;
  /** A compiled router to run instead of the source. */
  readonly binary: string | undefined;
  /** The executable of the Python router, where the user has one. */
  readonly pythonRouter: string | undefined;
}

/** How a contender is started. */
export type Launch =
  /** No process: the requests go to the engine itself. */
  | { readonly kind: "none" }
  | {
      readonly kind: "process";
      readonly command: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    }
  | { readonly kind: "missing"; readonly reason: string };

/** The contender that all ratios are taken to. */
export const FLOOR = "bare";
/** The router as most would run it. */
export const ROUTER = "router";
/** The router with the policy that reads prompts. */
export const PREFIX_AWARE = `${ROUTER}-prefixaware`;
/** The router in front of the largest fleet. */
export const LARGE_FLEET = `${ROUTER}-1000`;
/** The router that this one is to replace. */
export const PYTHON = "python-router";
/** The contender that added latencies are counted from. */
export const DIRECT = "direct";

/** Sets of contenders: the rivals of the router, its policies, fleets of several sizes, workers, and what the targets ask. */
export const sets = ["rivals", "policies", "endpoints", "workers", "targets"] as const;

const inAllSets: ReadonlySet<string> = new Set([FLOOR, DIRECT, ROUTER]);
const askedForByTargets: ReadonlySet<string> = new Set([ROUTER, PREFIX_AWARE, LARGE_FLEET]);

/** The contenders of a set; the floor and the engine itself are in all of them. */
export const contendersOf = (wanted: (typeof sets)[number]): readonly Contender[] =>
  contenders.filter(({ name, set = "rivals" }) =>
    wanted === "targets"
      ? // Of the router's own rows only those that a target speaks of.
        !name.startsWith(ROUTER) || askedForByTargets.has(name)
      : set === wanted || inAllSets.has(name),
  );

const rustRouter =
  (wheel: RustRouter): Contender["launch"] =>
  async ({ port, engines, root }) => {
    const found = await pythonWith(wheel, root);
    if ("missing" in found) return { kind: "missing", reason: found.missing };
    const [prometheusPort] = freePorts(1);
    const listen = ["--host", "127.0.0.1", "--port", String(port)];
    const metrics = ["--prometheus-host", "127.0.0.1", "--prometheus-port", String(prometheusPort)];
    const routing = ["--worker-urls", ...engines, "--policy", "round_robin"];
    return {
      kind: "process",
      command: [found.python, "-m", wheel.module, ...listen, ...metrics, ...routing],
    };
  };

/** Every contender, in the order in which they run. */
export const contenders: readonly Contender[] = [
  {
    name: DIRECT,
    summary: "the engine itself",
    launch: async () => ({ kind: "none" }),
  },
  {
    name: FLOOR,
    summary: "Bun.serve and fetch with nothing between them",
    launch: async ({ port, engines, root }) => ({
      kind: "process",
      command: [process.execPath, join(root, "scripts/bench/bare-relay.ts"), String(port), engines[0] ?? ""],
      env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "65535" },
    }),
  },
  ...rivals,
  {
    name: "nginx",
    summary: "nginx, one worker, kept connections, no buffering, no log",
    launch: async ({ port, engines, folder }) => {
      const nginx = findNginx();
      if (nginx === undefined) return { kind: "missing", reason: "nginx is not installed" };
      const own = join(folder, "nginx");
      await mkdir(own, { recursive: true });
      const config = join(own, "nginx.conf");
      const isRoot = process.getuid?.() === 0;
      await Bun.write(config, nginxConfig({ port, engines, folder: own, isRoot }));
      return { kind: "process", command: [nginx, "-p", own, "-e", "stderr", "-c", config] };
    },
  },
  {
    name: "haproxy",
    summary: "HAProxy, one thread, kept connections, no log",
    launch: async ({ port, engines, folder }) => {
      const haproxy = findHaproxy();
      if (haproxy === undefined) return { kind: "missing", reason: "haproxy is not installed" };
      const config = join(folder, "haproxy.cfg");
      await Bun.write(config, haproxyConfig({ port, engines }));
      return { kind: "process", command: [haproxy, "-db", "-f", config] };
    },
  },
  {
    name: "vllm-router-rs",
    summary: `vllm-router ${rustRouters.vllm.version} (Rust, from PyPI), round robin`,
    launch: rustRouter(rustRouters.vllm),
  },
  {
    name: "sglang-router",
    summary: `sglang-router ${rustRouters.sglang.version} (Rust, from PyPI), round robin`,
    launch: rustRouter(rustRouters.sglang),
  },
  {
    name: PYTHON,
    summary: "the Python production-stack router, round robin",
    launch: async (setup) => {
      const { pythonRouter } = setup;
      if (pythonRouter === undefined)
        return { kind: "missing", reason: "name its executable with --python-router" };
      return {
        kind: "process",
        command: [pythonRouter, ...staticFlags(setup), "--routing-logic", "roundrobin"],
      };
    },
  },
  ...byPolicy,
  ...byEngineCount,
  ...byWorkerCount,
  executable,
];
