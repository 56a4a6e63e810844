import { parentPort } from "node:worker_threads";
import type { PacerOrder, PacerSignal } from "./pacer.ts";

// The thread of pacer.ts: posts a message whenever a request is due.

const never = new Int32Array(new SharedArrayBuffer(4));
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
const say = (signal: PacerSignal): void => parentPort?.postMessage(signal);

parentPort?.on("message", ({ startsAt, count, intervalMs }: PacerOrder) => {
  for (let index = 0; index < count; index += 1) {
    const waitMs = startsAt + index * intervalMs - (performance.timeOrigin + performance.now());
    if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
    say("due");
  }
});

say("ready");
