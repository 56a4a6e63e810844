import { readdir, readFile } from "node:fs/promises";
import type { MockEngineState } from "../../src/mock-engine/engine.ts";
import { type Child, startChild } from "../cli/child.ts";
import { builtBinary } from "./binary.ts";

/** The compiled product as a process that listens. */
export interface RunningProcess extends AsyncDisposable {
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly port: number;
  readonly child: Child;
}

/** A simulated engine as a process. */
export interface EngineProcess extends RunningProcess {
  readonly state: () => Promise<MockEngineState>;
}

const LISTENS = /listen(?:s|ing) on (http:\/\/\S*:(\d+))/;

const start = async (
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<RunningProcess> => {
  const child = startChild(args, variables, [await builtBinary()]);
  const [, url = "", port] = LISTENS.exec(await child.until(LISTENS)) ?? [];
  return { url, port: Number(port), child, [Symbol.asyncDispose]: child[Symbol.asyncDispose] };
};

/** Starts the compiled `vllm-router mock-engine`, on a free port unless one is given. */
export const startEngineProcess = async (args: readonly string[] = [], port = 0): Promise<EngineProcess> => {
  const engine = await start(["mock-engine", `--port=${port}`, ...args]);
  return {
    ...engine,
    state: async () => (await (await fetch(`${engine.url}/mock/state`)).json()) as MockEngineState,
  };
};

/** Starts the compiled router on a free port; it leaves without a delay unless one is given. */
export const startRouterProcess = async (
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<RunningProcess> =>
  start(["--host=127.0.0.1", "--port=0", "--drain-delay-seconds=0", ...args], variables);

/** The arguments for engines by the model that each one serves; a list, since a model may have several. */
export const staticArgs = (
  backends: readonly (readonly [model: string, url: string])[],
): readonly string[] => [
  "--service-discovery=static",
  `--static-models=${backends.map(([model]) => model).join()}`,
  `--static-backends=${backends.map(([, url]) => url).join()}`,
];

/** Resident memory of a process in KiB; `undefined` on systems without /proc. */
export const residentKiB = async (pid: number): Promise<number | undefined> => {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(status) ?? [];
  return kib === undefined ? undefined : Number(kib);
};

/** Descriptors that a process has open; 0 on systems without /proc. */
export const openFiles = async (pid: number): Promise<number> =>
  (await readdir(`/proc/${pid}/fd`).catch(() => [])).length;
