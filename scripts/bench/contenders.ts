import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { findNginx, nginxConfig } from "./nginx.ts";
import { MODEL } from "./workloads.ts";

/** Something that relays, to be compared with others: a row of the benchmark. */
export interface Contender {
  readonly name: string;
  readonly summary: string;
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
/** The contender that added latencies are counted from. */
export const DIRECT = "direct";

const router =
  (...flags: readonly string[]): Contender["launch"] =>
  async ({ port, engines, root, binary }) => {
    const program = binary === undefined ? [process.execPath, join(root, "src/main.ts")] : [binary];
    const listen = ["--host", "127.0.0.1", "--port", String(port)];
    const models = engines.map(() => MODEL).join(",");
    const discovery = ["--static-backends", engines.join(","), "--static-models", models];
    const command = [...program, ...listen, "--service-discovery", "static", ...discovery, ...flags];
    return { kind: "process", command };
  };

const session = ["--routing-logic", "session", "--session-key", "x-user-id"];

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
  {
    name: "router",
    summary: "vllm-router, session routing, a line in the log for each request",
    launch: router(...session),
  },
  {
    name: "router-roundrobin",
    summary: "vllm-router, round robin, a line in the log for each request",
    launch: router("--routing-logic", "roundrobin"),
  },
  {
    name: "router-quiet",
    summary: "vllm-router, session routing, --log-level warning",
    launch: router(...session, "--log-level", "warning"),
  },
  {
    name: "router-uncounted",
    summary: "vllm-router, session routing, --disable-stream-usage",
    launch: router(...session, "--disable-stream-usage"),
  },
  {
    name: "nginx",
    summary: "nginx, one worker, kept connections, no buffering, no log",
    launch: async ({ port, engines, folder }) => {
      const nginx = findNginx();
      if (nginx === undefined) return { kind: "missing", reason: "nginx is not installed" };
      const own = join(folder, "nginx");
      await mkdir(own);
      const config = join(own, "nginx.conf");
      const isRoot = process.getuid?.() === 0;
      await Bun.write(config, nginxConfig({ port, engines, folder: own, isRoot }));
      return { kind: "process", command: [nginx, "-p", own, "-e", "stderr", "-c", config] };
    },
  },
];
