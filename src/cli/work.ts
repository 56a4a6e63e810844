import type { Descriptors } from "../core/descriptors.ts";
import { createLog } from "../core/log.ts";
import type { LineWriter } from "../core/line-writer.ts";
import type { RouterPlatform } from "../router-platform.ts";
import type { FromWorker, Order, ToWorker, WorkerSetup } from "../workers/messages.ts";
import { signOf } from "../workers/signs.ts";
import { startServer } from "./bun-server.ts";
import { describeError } from "./command.ts";
import { createListener, type Listener } from "./listener.ts";
import { secretsOf } from "./secrets.ts";
import { startSentry } from "./sentry.ts";
import { createWorkerRouter } from "./worker-router.ts";

/** Everything impure that a worker is lent. */
interface WorkPlatform extends Pick<
  RouterPlatform,
  "clock" | "fetch" | "send" | "reach" | "random" | "readMemory" | "collect"
> {
  readonly post: (message: FromWorker) => void;
  readonly listen: (onMessage: (message: ToWorker) => void) => void;
  readonly writer: LineWriter;
  readonly descriptors?: Descriptors | undefined;
  /** Told of what nobody caught. */
  readonly fault: (error: unknown) => void;
  /** Ends this thread. */
  readonly exit: () => void;
}

const BEAT_MS = 500;
/** How often requests under way are counted once the process is asked to end. */
const COUNT_MS = 20;

/** Serves requests by what the control plane says, until that ends this thread. */
export const runWorker = async (setup: WorkerSetup, platform: WorkPlatform): Promise<void> => {
  const { row, port, isColored, config } = setup;
  const { clock, post, listen: hear, writer, descriptors, fault, exit, ...lent } = platform;
  const log = createLog(
    { ...config.log, secrets: secretsOf(config), isColored: (stream) => isColored[stream] },
    { clock, write: writer.write },
  );
  // Errors are reported by the control plane.
  const tracing =
    (config.sentry?.tracesSampleRate ?? 0) > 0 ? await startSentry(config, platform) : undefined;
  const sign = signOf(setup.signs, row);
  let isDraining = false;
  const router = createWorkerRouter(setup, {
    ...lent,
    clock,
    log,
    post,
    isDraining: () => isDraining,
    sampleTrace: tracing?.sampleTrace,
  });
  const { host, idleTimeoutSeconds } = config.server;
  const serving = { host, idleTimeoutSeconds, sharesPort: true, fetch: router.fetch, onFault: fault };
  const serve = (at: number) => startServer({ ...serving, port: at });
  let listener: Listener;
  try {
    listener = createListener(port, { listen: serve, descriptors, clock, log });
  } catch (error) {
    post({ kind: "refused", reason: describeError(error) });
    exit();
    return;
  }

  const beat = (): void => {
    sign.beat();
    clock.after(BEAT_MS, beat);
  };
  const count = (): void => {
    sign.setPending(listener.pendingRequests);
    clock.after(COUNT_MS, count);
  };
  const obey = async (order: Order) => {
    switch (order.kind) {
      case "view":
        router.apply(order.change, order.next);
        return undefined;
      case "drain":
        isDraining = true;
        count();
        return undefined;
      case "count":
        return router.counted(order.servers);
      case "stop":
        await listener.stop(order.closesActive);
        // Whoever learns that it has stopped must not find what was counted before.
        sign.setPending(listener.pendingRequests);
        if (order.closesActive) await tracing?.[Symbol.asyncDispose]();
        await writer.flush();
        return undefined;
    }
  };

  hear((message) => {
    switch (message.kind) {
      case "keys":
        void router.lookAtKeys();
        break;
      case "answer":
        router.told(message.answer);
        break;
      case "cut":
        router.cut();
        break;
      case "view":
      case "drain":
      case "count":
      case "stop":
        void obey(message).then((counted) =>
          post({ kind: "done", id: message.id, ...(counted && { counted }) }),
        );
    }
  });
  beat();
  post({ kind: "listening", origin: listener.origin });
};
