import { join } from "node:path";
import type { Contender, Setup } from "./contenders.ts";
import { decidingPolicies } from "./decision.ts";
import { MODEL } from "./workloads.ts";

/** The flags for a port and a static list of engines, which the Python router takes as well. */
export const staticFlags = ({ port, engines }: Setup): readonly string[] => {
  const listen = ["--host", "127.0.0.1", "--port", String(port)];
  const models = engines.map(() => MODEL).join(",");
  const discovery = ["--static-backends", engines.join(","), "--static-models", models];
  return [...listen, "--service-discovery", "static", ...discovery];
};

/** The most streams that a workload holds are more than the router takes by default. */
const roomForAll = ["--max-concurrent-requests", "8192"];

const router =
  (...flags: readonly string[]): Contender["launch"] =>
  async (setup) => {
    const { root, binary } = setup;
    const program = binary === undefined ? [process.execPath, join(root, "src/main.ts")] : [binary];
    // Nobody has to learn that it ends.
    const ending = ["--drain-delay-seconds", "0"];
    return {
      kind: "process",
      command: [...program, ...staticFlags(setup), ...ending, ...roomForAll, ...flags],
    };
  };

const session = ["--routing-logic", "session", "--session-key", "x-user-id"];

/** The router as most would run it, and with less to do. */
export const rivals: readonly Contender[] = [
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
    name: "router-counting",
    summary: "vllm-router, session routing, --count-stream-usage",
    launch: router(...session, "--count-stream-usage"),
  },
];

const measuredAbove: ReadonlySet<string> = new Set(["roundrobin", "session"]);

/** The router with each policy that is not among the rivals. */
export const byPolicy: readonly Contender[] = decidingPolicies
  .filter((logic) => !measuredAbove.has(logic))
  .map((logic) => ({
    name: `router-${logic}`,
    summary: `vllm-router, ${logic}`,
    set: "policies",
    launch: router("--routing-logic", logic),
  }));

/** The router in front of fleets of several sizes. */
export const byEngineCount: readonly Contender[] = [8, 100, 1000].map((engines) => ({
  name: `router-${engines}`,
  summary: `vllm-router, session routing over ${engines} engines`,
  set: "endpoints",
  engines,
  launch: router(...session),
}));

/** How many workers the router is measured with. */
export const workerCounts = [1, 2, 4] as const;

/** The router with each of these. */
export const byWorkerCount: readonly Contender[] = workerCounts.map((workers) => ({
  name: `router-workers-${workers}`,
  summary: `vllm-router, session routing, --workers ${workers}`,
  set: "workers",
  launch: router(...session, "--workers", String(workers)),
}));

/** The compiled router, whose start is another than that of the source. */
export const executable: Contender = {
  name: "router-executable",
  summary: "vllm-router, compiled (npm run build), session routing",
  set: "start",
  launch: async (setup) => {
    const binary = setup.binary ?? join(setup.root, "dist/vllm-router");
    if (!(await Bun.file(binary).exists())) return { kind: "missing", reason: "npm run build makes it" };
    return router(...session)({ ...setup, binary });
  },
};
