import { join } from "node:path";
import { freePorts, startChild } from "./child.ts";
import type { Contender } from "./contenders.ts";
import type { Target } from "./measure.ts";
import { onCpu, type Placement } from "./placement.ts";

const ENGINES = 2;

/** Where and how servers are started. */
export interface Bench {
  /** The project's folder. */
  readonly root: string;
  /** For files of the servers. */
  readonly folder: string;
  readonly placement: Placement | undefined;
  /** Ends everything that was started. */
  readonly children: AsyncDisposableStack;
  readonly binary: string | undefined;
  readonly pythonRouter: string | undefined;
  /** How often it is tried whether a contender listens. */
  readonly pollMs?: number;
}

/** How many engines a contender stands in front of. */
export const engineCount = ({ engines = ENGINES }: Pick<Contender, "engines">): number => engines;

/** Starts so many engines in one process and gives their ports. */
export const startEngines = async (
  count: number,
  { root, folder, placement, children }: Bench,
): Promise<readonly number[]> => {
  const ports = freePorts(count);
  const script = join(root, "scripts/bench/fixed-engine.ts");
  children.use(
    await startChild({
      name: "engine",
      command: onCpu(placement?.engine, [process.execPath, script, ...ports.map(String)]),
      cwd: folder,
      outputFile: join(folder, "engine.log"),
      ports,
    }),
  );
  return ports;
};

/** A contender that runs; `stop` ends it before the benchmark does. */
export interface Started extends Target {
  readonly stop: () => Promise<void>;
  /** When its process was started, as performance.now() tells it. */
  readonly spawnedAt: number;
}

/** Starts a contender in front of engines at these ports and waits until it listens. */
export const startContender = async (
  contender: Contender,
  ports: readonly number[],
  { root, folder, placement, children, binary, pythonRouter, pollMs }: Bench,
): Promise<Started | { readonly missing: string }> => {
  const { name, launch } = contender;
  const [port = 0] = freePorts(1);
  const urls = ports.slice(0, engineCount(contender)).map((engine) => `http://127.0.0.1:${engine}`);
  const plan = await launch({ port, engines: urls, folder, root, binary, pythonRouter });
  const spawnedAt = performance.now();
  switch (plan.kind) {
    case "missing":
      return { missing: plan.reason };
    case "none":
      return { name, port: ports[0] ?? 0, pid: undefined, spawnedAt, stop: async () => {} };
    case "process": {
      const child = children.use(
        await startChild({
          name,
          command: onCpu(placement?.contender, plan.command),
          env: plan.env,
          cwd: folder,
          outputFile: join(folder, `${name}.log`),
          ports: [port],
          pollMs,
        }),
      );
      return { name, port, pid: child.pid, spawnedAt, stop: async () => child[Symbol.asyncDispose]() };
    }
  }
};
