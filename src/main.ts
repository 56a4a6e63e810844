#!/usr/bin/env bun
import { availableParallelism } from "node:os";
import { isatty } from "node:tty";
import { readCgroupMemory, readCgroupProcessors } from "./cgroup.ts";
import { createFaults } from "./cli/faults.ts";
import { dial } from "./dial.ts";
import { readDescriptors, readHost } from "./host.ts";
import { createEngineSend } from "./proxy/engine-send.ts";
import {
  clockSince,
  collectGarbage,
  createFileWriter,
  createProcessWriter,
  createThreadWriter,
  engineFetch,
  engineReach,
  kubeFetch,
  openDoor,
  runProgram,
  startThread,
  systemClock,
  systemRandom,
} from "./platform.ts";
import { planStart } from "./reexec.ts";
import type { ThreadDoor } from "./core/thread.ts";
import { sentError } from "./workers/sent-error.ts";
import type { FromWorker, ToWorker, WorkerSetup } from "./workers/messages.ts";

const fail = (message: string): void => console.error(`vllm-router: error: ${message}`);

/** Ctrl-C reaches the whole process group, and a launcher in it passes it on once more. */
const ECHO_MS = 500;

/** Ends the process when its parent, the npm launcher, is gone: it could then no longer pass signals on. */
const watchParent = (end: () => void): void => {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    end();
  }, 1000);
  timer.unref();
};

const run = async (): Promise<number> => {
  const writer = createProcessWriter();
  const faults = createFaults(writer.write);
  process.on("unhandledRejection", faults.report);
  process.on("uncaughtException", faults.report);

  const stop = new AbortController();
  const stopAccepting = new AbortController();
  const stopNow = new AbortController();
  let askedAt: number | undefined;
  const end = (isAwaited: boolean): void => {
    if (askedAt === undefined) {
      askedAt = systemClock.monotonic();
      stop.abort(new Error("asked to end"));
      if (!isAwaited) stopAccepting.abort(new Error("asked to end by a person"));
    } else if (systemClock.monotonic() - askedAt > ECHO_MS) stopNow.abort(new Error("asked again to end"));
  };
  // Whoever presses Ctrl-C watches; a service manager has load balancers that must learn of it first.
  process.on("SIGINT", () => end(false));
  process.on("SIGTERM", () => end(true));
  if (process.env["VLLM_ROUTER_SHIM"] === "1") watchParent(() => end(false));

  // Not at the top: whoever replaces this process need not load all of it first.
  const { runCli } = await import("./cli.ts");
  const exitCode = await runCli(process.argv.slice(2), {
    env: process.env,
    write: writer.write,
    columns: () => process.stdout.columns ?? 100,
    isTerminal: (stream) => isatty(stream === "stdout" ? 1 : 2),
    clock: systemClock,
    fetch: engineFetch,
    send: createEngineSend({ dial, fetch: engineFetch }),
    reach: engineReach,
    // Elsewhere a port can be shared, but connections are not spread.
    startThread: process.platform === "linux" ? startThread : undefined,
    processors: Math.min(availableParallelism(), await readCgroupProcessors()),
    readHost,
    createFile: createFileWriter,
    kubernetes: { fetch: kubeFetch, run: runProgram },
    droppedLines: writer.dropped,
    readMemory: async () => readCgroupMemory(),
    collect: collectGarbage,
    descriptors: await readDescriptors(),
    random: systemRandom,
    faults,
    onHangup: (task) => {
      process.on("SIGHUP", task);
      return { [Symbol.dispose]: () => process.off("SIGHUP", task) };
    },
    stop: stop.signal,
    stopAccepting: stopAccepting.signal,
    stopNow: stopNow.signal,
  });
  await writer.flush();
  return exitCode;
};

/** What a thread does that serves requests; it ends when it is told to. */
const work = async ({ setup, ...door }: ThreadDoor): Promise<void> => {
  const post = (message: FromWorker): void => door.post(message);
  const given = setup as WorkerSetup;
  const fault = (error: unknown): void => post({ kind: "fault", error: sentError(error) });
  process.on("unhandledRejection", fault);
  process.on("uncaughtException", fault);
  const { runWorker } = await import("./cli/work.ts");
  await runWorker(given, {
    clock: clockSince(given.clock),
    post,
    listen: (onMessage) => door.listen((message) => onMessage(message as ToWorker)),
    writer: createThreadWriter((stream, text) => post({ kind: "lines", stream, text })),
    fault,
    fetch: engineFetch,
    send: createEngineSend({ dial, fetch: engineFetch }),
    reach: engineReach,
    random: systemRandom,
    readMemory: async () => readCgroupMemory(),
    collect: collectGarbage,
    descriptors: await readDescriptors(),
    exit: () => process.exit(1),
  });
};

const start = (): void => {
  const door = openDoor();
  if (door) {
    work(door).catch((error: unknown) => {
      door.post({ kind: "refused", reason: String(error) } satisfies FromWorker);
      process.exit(1);
    });
    return;
  }
  const plan = planStart(process);
  if (plan.kind === "refuse") {
    fail(plan.message);
    process.exitCode = 1;
    return;
  }
  if (plan.kind === "replace") {
    try {
      process.execve?.(plan.file, [...plan.args], plan.env);
    } catch (error) {
      console.error(`vllm-router: warning: at most 256 requests are under way at once: ${String(error)}`);
    }
  } else if (plan.warning !== undefined) console.error(`vllm-router: warning: ${plan.warning}`);
  run().then(
    (exitCode) => process.exit(exitCode),
    (error: unknown) => {
      fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
      process.exit(1);
    },
  );
};

start();
