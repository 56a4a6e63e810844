import type { Clock } from "../core/clock.ts";
import type { DeadlineLimits } from "../core/deadline-limits.ts";
import type { EngineReach } from "../core/engine-reach.ts";
import { RouterError } from "../core/errors.ts";
import type { Ticket } from "../stats/request-ledger.ts";
import type { Call } from "./call.ts";
import type { Client } from "./client.ts";
import { createReachability } from "./reachability.ts";
import { createWatch } from "./watch.ts";

/** How far an attempt has come, as its deadlines need to know. */
export interface Progress {
  /** The head of the answer came. */
  readonly head: () => void;
  /** The first bytes of the answer's body came. */
  readonly firstChunk: () => void;
  /** The client takes nothing of what waits for it, or has begun to again. */
  readonly stalled: (isStalled: boolean) => void;
  /** Nothing is awaited any more. */
  readonly end: () => void;
}

/** What is watched: an attempt of a client's call. */
interface Watched {
  readonly call: Pick<Call, "field" | "isReplaySafe" | "timeoutMs">;
  readonly client: Pick<Client, "arrivedAt" | "interrupt">;
  /** Base URL of the engine. */
  readonly url: string;
  readonly ticket: Pick<Ticket, "lastAt">;
}

interface DeadlineDeps {
  readonly clock: Clock;
  readonly reach: EngineReach;
}

/** A stream may pause for so many times the connect limit before its engine must prove that it is there. */
const STREAM_PATIENCE = 3;
/** Fresh connections in a row that must go unanswered before what cannot be sent again is given up. */
const SURE = 2;

const late = (): RouterError => new RouterError("upstream_timeout", "The engine did not answer in time.");
const paused = (): RouterError =>
  new RouterError("upstream_timeout", "The engine did not go on with its answer in time.");
const gone = (): RouterError =>
  new RouterError(
    "upstream_reset",
    "The engine has not answered, and new connections to it go unanswered too.",
  );
const stalledClient = (): RouterError =>
  new RouterError("client_stalled", "The client took nothing of its answer for too long.");
const tooLong = (): RouterError =>
  new RouterError("request_timeout", "The request took longer than it may.", { isPointless: true });

/** Creates the watch over what takes too long; an attempt that does is interrupted with the reason. */
export const createDeadlines = (limits: DeadlineLimits, deps: DeadlineDeps) => {
  const { clock } = deps;
  const { connectMs, headMs, firstChunkMs, chunkIdleMs, requestMs, clientStallMs } = limits;
  const watch = createWatch({ clock });
  const isSilent = createReachability({ timeoutMs: connectMs }, deps);

  return ({ call, client, url, ticket }: Watched): Progress => {
    const sentAt = clock.monotonic();
    const requestAt = client.arrivedAt + Math.min(requestMs, call.timeoutMs ?? requestMs);
    let phase: "head" | "first chunk" | "chunks" = "head";
    let stalledAt: number | undefined;
    let resumedAt = sentAt;
    let isOver = false;
    let isProbing = false;
    let nextProbeAt = sentAt;
    let unanswered = 0;
    let unansweredSince = sentAt;

    const quietSince = (): number => (phase === "chunks" ? Math.max(ticket.lastAt(), resumedAt) : sentAt);

    // Without streaming there is no early head.
    const firstAt = (): number =>
      sentAt +
      (phase === "head" && call.field("stream") === true ? Math.min(headMs, firstChunkMs) : firstChunkMs);

    const limit = (): { readonly at: number; readonly reason: () => RouterError } => {
      if (stalledAt !== undefined) return { at: stalledAt + clientStallMs, reason: stalledClient };
      return phase === "chunks"
        ? { at: quietSince() + chunkIdleMs, reason: paused }
        : { at: firstAt(), reason: late };
    };

    const probeAt = (): number => {
      if (isProbing || stalledAt !== undefined) return Number.POSITIVE_INFINITY;
      const patience = phase === "chunks" ? STREAM_PATIENCE * connectMs : connectMs;
      return Math.max(quietSince() + patience, nextProbeAt);
    };

    /** Gives the attempt up if new connections go unanswered as well while it does not move. */
    const probe = async (): Promise<void> => {
      const since = quietSince();
      if (since !== unansweredSince) unanswered = 0;
      unansweredSince = since;
      isProbing = true;
      const silent = await isSilent(url);
      isProbing = false;
      if (isOver) return;
      unanswered = silent ? unanswered + 1 : 0;
      const isQuiet = quietSince() === since && stalledAt === undefined;
      if (isQuiet && unanswered >= (phase !== "chunks" && call.isReplaySafe ? 1 : SURE))
        return interrupt(gone());
      nextProbeAt = clock.monotonic() + (unanswered > 0 ? 0 : connectMs);
      reconsider();
    };

    const look = (now: number): number => {
      const { at, reason } = limit();
      if (now >= Math.min(at, requestAt)) {
        interrupt(now >= requestAt ? tooLong() : reason());
        return Number.POSITIVE_INFINITY;
      }
      if (now >= probeAt()) void probe();
      return Math.min(at, requestAt, probeAt());
    };

    const watching = watch.add(Math.min(sentAt + Math.min(connectMs, headMs, firstChunkMs), requestAt), look);
    const end = (): void => {
      isOver = true;
      watching[Symbol.dispose]();
    };
    const reconsider = (): void => watching.by(Math.min(limit().at, probeAt()));
    const interrupt = (reason: RouterError): void => {
      end();
      client.interrupt(reason);
    };

    return {
      head: () => {
        phase = "first chunk";
      },
      firstChunk: () => {
        phase = "chunks";
        reconsider();
      },
      stalled: (isStalled) => {
        resumedAt = clock.monotonic();
        stalledAt = isStalled ? resumedAt : undefined;
        reconsider();
      },
      end,
    };
  };
};
