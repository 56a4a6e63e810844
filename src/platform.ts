import { closeSync, openSync, write as writeFileDescriptor } from "node:fs";
import { connect } from "node:net";
import { parentPort, Worker, workerData } from "node:worker_threads";
import type { Clock } from "./core/clock.ts";
import type { FileWriter } from "./core/file-writer.ts";
import { createLineWriter, type LineWriter } from "./core/line-writer.ts";
import type { EngineFetch } from "./core/engine-fetch.ts";
import type { EngineReach } from "./core/engine-reach.ts";
import type { WriteLine } from "./core/log.ts";
import type { KubeFetch } from "./core/kube-fetch.ts";
import type { RunProgram } from "./core/run-program.ts";
import type { StartThread, ThreadDoor } from "./core/thread.ts";

/** 24.8 days: the runtime takes what is longer for no delay at all. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, Math.min(delayMs, MAX_DELAY_MS));
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/**
 * One of the two places that call the global `fetch`, the other being `kubeFetch`: redirects are not followed, bytes are not decoded, proxy
 * variables are not honoured, and no timer of the runtime ends a long silence.
 */
export const engineFetch: EngineFetch = (url, { method, headers, body, signal, fresh }) =>
  fetch(url, {
    method,
    headers,
    body: body ?? null,
    signal,
    redirect: "manual",
    decompress: false,
    proxy: false,
    timeout: false,
    keepalive: fresh !== true,
  } as RequestInit);

/** As `engineFetch`, over TLS with authorities and certificates of its own; a compressed list is decoded. */
export const kubeFetch: KubeFetch = (url, { method, headers, body, signal, tls, proxy }) =>
  fetch(url, {
    method,
    headers,
    body: body ?? null,
    signal,
    tls,
    redirect: "manual",
    proxy: proxy ?? false,
    timeout: false,
  } as RequestInit);

/** More than any credential; a program that prints more is killed. */
const MAX_PRINTED_BYTES = 1024 * 1024;
const MAX_COMPLAINT = 500;

/** Runs without standard input; what it complains of on standard error is the reason when it fails. */
export const runProgram: RunProgram = async ({ command, args, env, timeoutMs }) => {
  const child = Bun.spawn([command, ...args], {
    env: { ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    maxBuffer: MAX_PRINTED_BYTES,
  });
  const [printed, complaint] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (child.signalCode !== null)
    throw new Error(`it was ended by ${child.signalCode}, it has ${timeoutMs / 1000} s`);
  if (child.exitCode !== 0) {
    throw new Error(complaint.trim().slice(0, MAX_COMPLAINT) || `it ended with ${child.exitCode}`);
  }
  return printed;
};

/** A TCP connection by itself, since `fetch` does not tell when it is connected. */
export const engineReach: EngineReach = async (url, signal) => {
  const { protocol, hostname, port } = new URL(url);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  if (signal.aborted) return false;
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
  });
  const abort = (): void => resolve(false);
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    socket.destroy();
  }
};

/** Runs the program of this process once more, in a thread. */
export const startThread: StartThread = (setup, { onMessage, onEnd }) => {
  const worker = new Worker(Bun.main, { workerData: setup });
  let failure: string | undefined;
  worker.on("message", onMessage);
  worker.on("error", (error: unknown) => {
    failure = `failed: ${String(error)}`;
  });
  worker.on("exit", (code) => onEnd(failure ?? `ended with ${code}`));
  return {
    post: (message) => worker.postMessage(message, []),
    terminate: async () => {
      await worker.terminate();
    },
  };
};

/** The door of this thread to the one that started it; `undefined` in the first one. */
export const openDoor = (): ThreadDoor | undefined => {
  const port = parentPort;
  return port
    ? {
        setup: workerData as unknown,
        post: (message) => port.postMessage(message, []),
        listen: (onMessage) => void port.on("message", onMessage),
      }
    : undefined;
};

/** The real clock of a thread, by the monotonic clock of another one that showed `at` when the wall's showed `wall`. */
export const clockSince = ({ at, wall }: { readonly at: number; readonly wall: number }): Clock => {
  // Each thread's own monotonic clock begins at 0.
  const ahead = at + (performance.timeOrigin - wall);
  return { ...systemClock, monotonic: () => performance.now() + ahead };
};

/** Begins to collect garbage beside what else is to be done. */
export const collectGarbage = (): void => Bun.gc(false);

/** The real randomness: from 0, below 1. */
export const systemRandom = (): number => Math.random();

/** Time that a line may wait for others to share its write, which wakes another thread and costs as much as some lines. */
const GATHER_MS = 50;

const writeAll = (descriptor: number) => async (text: string) => {
  const bytes = Buffer.from(text);
  for (let sent = 0; sent < bytes.length;) {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    writeFileDescriptor(descriptor, bytes, sent, (error, count) => (error ? reject(error) : resolve(count)));
    try {
      sent += await promise;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await Bun.sleep(5);
    }
  }
};

/** A new file that only its owner may read, written in the background; throws where there is one already. */
export const createFileWriter = (path: string): FileWriter => {
  const descriptor = openSync(path, "wx", 0o600);
  const sink = { write: writeAll(descriptor) };
  const lines = createLineWriter({ stdout: sink, stderr: sink }, async () => Bun.sleep(GATHER_MS));
  return {
    write: (line) => lines.write("stdout", line),
    [Symbol.asyncDispose]: async () => {
      await lines.flush();
      closeSync(descriptor);
    },
  };
};

/** Time that a reader has for the last lines; one that stalls does not keep the process from ending. */
const FLUSH_MS = 1000;

/** Lines that another thread writes; those that come at nearly the same time are handed over at once. */
export const createThreadWriter = (take: WriteLine): LineWriter => {
  const sinkOf = (stream: "stdout" | "stderr") => ({ write: async (text: string) => take(stream, text) });
  return createLineWriter({ stdout: sinkOf("stdout"), stderr: sinkOf("stderr") }, async () =>
    Bun.sleep(GATHER_MS),
  );
};

/** Standard output and standard error of this process, written in the background. */
export const createProcessWriter = (): LineWriter => {
  const sinks = { stdout: { write: writeAll(1) }, stderr: { write: writeAll(2) } };
  const writer = createLineWriter(sinks, async () => Bun.sleep(GATHER_MS));
  return { ...writer, flush: async () => Promise.race([writer.flush(), Bun.sleep(FLUSH_MS)]) };
};
