import type { Config } from "../config/config.ts";
import { aborted } from "../core/aborted.ts";
import { createLog, type Log } from "../core/log.ts";
import type { ReloadStatus } from "../core/reload-status.ts";
import { describeDiscovery } from "../discovery/index.ts";
import { createLiveRouter } from "../reload.ts";
import type { RouterLegacy } from "../router-legacy.ts";
import { createRouter } from "../router.ts";
import { version } from "../version.ts";
import { createCluster } from "./cluster.ts";
import { type CliPlatform, describeError } from "./command.ts";
import { leave } from "./leave.ts";
import { createWorkers } from "../workers/workers.ts";
import { startServer } from "./bun-server.ts";
import { createListener, mostRequests } from "./listener.ts";
import type { GivenConfig } from "./router-config.ts";
import { secretsOf } from "./secrets.ts";
import { startSentry } from "./sentry.ts";
import { listenWithWorkers } from "./worker-listener.ts";

/** No more requests at once than the descriptors carry. */
const limitTo = (config: Config, most: number): Config => {
  const { admission } = config;
  const maxConcurrent = Math.min(admission?.maxConcurrent ?? most, most);
  return { ...config, ...(admission && { admission: { ...admission, maxConcurrent } }) };
};

/** Records what comes, where that is asked for and can be; serving does not depend on it. */
const startRecording = async (
  path: string | undefined,
  { createFile, clock, log }: Pick<CliPlatform, "createFile" | "clock"> & { readonly log: Log },
) => {
  if (path === undefined || !createFile) return undefined;
  try {
    const file = createFile(path);
    const { createTraceRecorder } = await import("../simulate/trace-recorder.ts");
    const onFull = (requests: number): void =>
      log.warning(`${path} is full: ${requests} requests are recorded, no more will be`);
    const salt = crypto.getRandomValues(new Uint8Array(16));
    const { record } = createTraceRecorder({ clock, write: file.write, onFull, salt });
    log.info(`Requests are recorded in ${path}: times, lengths and salted hashes`);
    return { ...file, record };
  } catch (error) {
    log.error(`Requests are not recorded: ${describeError(error)}; --record-trace needs a new file`);
    return undefined;
  }
};

/** More would wait for the one thread of the runtime that carries all connections to engines. */
const MOST_AUTOMATIC = 4;

const countWorkers = (
  { server: { workers = 1 } }: Config,
  { startThread, processors }: Pick<CliPlatform, "startThread" | "processors">,
): number => {
  if (workers !== "auto") return workers;
  return startThread ? Math.max(1, Math.min(processors ?? 1, MOST_AUTOMATIC)) : 1;
};

type ServePlatform = Pick<
  CliPlatform,
  | "env"
  | "isTerminal"
  | "write"
  | "clock"
  | "fetch"
  | "send"
  | "reach"
  | "startThread"
  | "processors"
  | "readHost"
  | "createFile"
  | "kubernetes"
  | "droppedLines"
  | "readMemory"
  | "collect"
  | "descriptors"
  | "random"
  | "faults"
  | "onHangup"
  | "stop"
  | "stopAccepting"
  | "stopNow"
>;

/** A valid configuration, with the file that it follows from now on. */
interface ServedConfig extends Pick<GivenConfig, "warnings" | "file"> {
  readonly config: Config;
}

/**
 * Listens and routes until `stop` aborts, then leaves (src/cli/leave.ts). Resolves to the exit code: 1 when it
 * cannot listen.
 */
export const serveRouter = async (
  { config, warnings, file }: ServedConfig,
  { env, isTerminal, write, clock, faults, ...platform }: ServePlatform,
): Promise<number> => {
  const { server: settings, discovery, routing } = config;
  const isPlain = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  const isColored = (stream: "stdout" | "stderr"): boolean => !isPlain && isTerminal(stream);
  const log = createLog({ ...config.log, secrets: secretsOf(config), isColored }, { clock, write });
  const { fetch, send, reach, readHost, readMemory, collect, droppedLines, random } = platform;
  const { descriptors, onHangup, stop, stopAccepting, stopNow } = platform;
  faults.logTo(log);
  await using sentry = await startSentry(config, { clock, random });
  using _told = sentry && faults.tell(sentry.report);
  for (const warning of warnings) log.warning(warning);
  const { maxConcurrent = 0 } = config.admission ?? {};
  if (descriptors && mostRequests(descriptors) < maxConcurrent) {
    log.warning(
      `${descriptors.limit} files may be open, which is enough for ${mostRequests(descriptors)} requests at once; for ${maxConcurrent} raise the limit to ${Math.ceil(maxConcurrent * 2.5)} (ulimit -n, LimitNOFILE)`,
    );
  }

  const kubernetes = createCluster({ ...platform.kubernetes, env }, { clock });
  if (discovery.kind === "k8s") {
    const problem = await kubernetes.problem();
    if (problem !== undefined) {
      log.error(problem);
      return 1;
    }
  }
  await using recording = await startRecording(config.recordTrace, { ...platform, clock, log });
  const isDraining = () => stop.aborted;
  const told = { onFailure: sentry?.report, sampleTrace: sentry?.sampleTrace };
  const read = { readHost, readMemory, collect, droppedLines };
  const record = recording?.record;
  const lent = { clock, log, fetch, send, reach, random, isDraining, kubernetes, record, ...read, ...told };
  const mostOpen = descriptors ? mostRequests(descriptors) : Number.POSITIVE_INFINITY;
  const { startThread } = platform;
  const count = countWorkers(config, platform);
  if (count > 1 && !startThread) {
    log.error(`--workers ${count} needs Linux, where threads can share a port; give 1`);
    return 1;
  }
  await using workers =
    count > 1 && startThread
      ? createWorkers(
          { count, config, isColored: { stdout: isColored("stdout"), stderr: isColored("stderr") } },
          { clock, log, startThread, write, onFault: faults.report, onFailure: sentry?.report },
        )
      : undefined;
  const shared = { sharing: workers?.sharing, othersCounted: workers?.counted };
  const create = (given: Config, reloadStatus?: () => ReloadStatus, previous?: RouterLegacy) => {
    const next = limitTo(given, mostOpen);
    workers?.prepare(next);
    const made = createRouter(next, { ...lent, reloadStatus, ...shared }, previous);
    workers?.follow(next, made);
    return made;
  };
  await using router =
    config.file && file
      ? createLiveRouter(
          config,
          { ...config.file, ...file, warnings },
          { clock, log, create, serving: workers?.following, onFailure: sentry?.report },
        )
      : create(config);
  const look = (): void => {
    if ("look" in router) void router.look();
    void router.lookAtKeys();
    workers?.lookAtKeys();
  };
  using _hangup = (config.file ?? config.access?.files.length) ? onHangup(look) : undefined;
  const { host, idleTimeoutSeconds } = settings;
  const common = { idleTimeoutSeconds, onFault: faults.report };
  const listen = (port: number) => startServer({ host, port, fetch: router.fetch, ...common });
  const tryTo = async <Started>(
    start: () => Started | Promise<Started>,
    { host: at, port }: { readonly host: string; readonly port: number },
  ): Promise<Started | undefined> => {
    try {
      return await start();
    } catch (error) {
      log.error(`Cannot listen on ${at}:${port}: ${describeError(error)}`);
      return undefined;
    }
  };
  const server = await tryTo(
    () =>
      workers
        ? listenWithWorkers(settings, workers)
        : createListener(settings.port, { listen, descriptors, clock, log }),
    settings,
  );
  if (!server) return 1;
  const { admin: second } = config;
  const admin =
    second && (await tryTo(() => startServer({ ...second, fetch: router.admin, ...common }), second));
  if (second && !admin) {
    await server.stop(true);
    return 1;
  }
  const what = `${describeDiscovery(discovery)}, ${routing.logic}`;
  const threads = workers ? `, ${count} workers` : "";
  log.info(`vllm-router ${version} listens on ${server.origin}: ${what}${threads}`);
  if (admin) log.info(`Metrics and control are at ${admin.url.origin}`);

  await aborted(stop);
  await workers?.drain();
  const { cut } = workers ?? router;
  await leave(config.leaving, { server, clock, log, stopAccepting, stopNow, cut });
  // Last: whoever watches the router wants to see it leave.
  await admin?.stop(true);
  log.info("Ended");
  return 0;
};
