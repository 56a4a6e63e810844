import type { Clock } from "../core/clock.ts";
import type { DeadlineLimits } from "../core/deadline-limits.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EngineReach } from "../core/engine-reach.ts";
import { requestTimeout, RouterError } from "../core/errors.ts";
import type { Ticket } from "../stats/request-ledger.ts";
import type { Call } from "./call.ts";
import type { Client } from "./client.ts";
import { createReachability } from "./reachability.ts";
import { createWatch, type Watched } from "./watch.ts";

/** What is watched: an attempt of a client's call. */
interface Subject {
  readonly call: Pick<Call, "field" | "isReplaySafe">;
  readonly client: Pick<Client, "dueAt" | "interrupt">;
  readonly endpoint: Pick<Endpoint, "id" | "url">;
  /** The model that is served, an alias resolved. */
  readonly model: string;
  readonly ticket: Pick<Ticket, "lastAt">;
}

/** How far an attempt has come; only the deadlines write it. */
export interface Progress extends Subject, Watched {
  readonly sentAt: number;
  readonly requestAt: number;
  phase: "head" | "first chunk" | "chunks" | "over";
  stalledAt: number | undefined;
  resumedAt: number;
  isProbing: boolean;
  nextProbeAt: number;
  /** Fresh connections in a row that went unanswered while nothing came, since when. */
  unanswered: number;
  unansweredSince: number;
}

/** The watch over what takes too long. */
export interface Deadlines {
  readonly begin: (subject: Subject) => Progress;
  /** The head of the answer came. */
  readonly head: (attempt: Progress) => void;
  /** The first bytes of the answer's body came, and more are to come. */
  readonly firstChunk: (attempt: Progress) => void;
  /** The client takes nothing of what waits for it, or has begun to again. */
  readonly stalled: (attempt: Progress, isStalled: boolean) => void;
  /** Nothing is awaited any more. */
  readonly end: (attempt: Progress) => void;
}

interface DeadlineDeps {
  readonly clock: Clock;
  readonly reach: EngineReach;
  /** Whether an engine fails its checks while another one could answer for the model. */
  readonly isLeftBehind: (endpointId: string, model: string) => boolean;
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
const unwell = (): RouterError =>
  new RouterError("upstream_reset", "The engine has not answered, and does not pass its health checks.");
const stalledClient = (): RouterError =>
  new RouterError("client_stalled", "The client took nothing of its answer for too long.");

/** When a request must have its whole answer; its client may give it less time than the router does, not more. */
export const dueAt = (
  requestMs: number,
  { arrivedAt }: Pick<Client, "arrivedAt">,
  { timeoutMs = requestMs }: Pick<Call, "timeoutMs">,
): number => arrivedAt + Math.min(requestMs, timeoutMs);

/** When bytes last came, or were asked for. */
const quietSince = ({ phase, ticket, resumedAt, sentAt }: Progress): number =>
  phase === "chunks" ? Math.max(ticket.lastAt(), resumedAt) : sentAt;

/** Creates the watch over attempts; one that takes too long is interrupted with the reason. */
export const createDeadlines = (
  limits: DeadlineLimits,
  { reach, clock, isLeftBehind }: DeadlineDeps,
): Deadlines => {
  const { connectMs, headMs, firstChunkMs, chunkIdleMs, clientStallMs } = limits;
  const isSilent = createReachability({ timeoutMs: connectMs }, { reach, clock });
  const soonestMs = Math.min(connectMs, headMs, firstChunkMs);

  const limitOf = (attempt: Progress): { readonly at: number; readonly reason: () => RouterError } => {
    const { phase, stalledAt, sentAt, call } = attempt;
    if (stalledAt !== undefined) return { at: stalledAt + clientStallMs, reason: stalledClient };
    if (phase === "chunks") return { at: quietSince(attempt) + chunkIdleMs, reason: paused };
    // Without streaming there is no early head.
    const isForHead = phase === "head" && call.field("stream") === true;
    return { at: sentAt + (isForHead ? Math.min(headMs, firstChunkMs) : firstChunkMs), reason: late };
  };

  const probeAt = (attempt: Progress): number => {
    if (attempt.isProbing || attempt.stalledAt !== undefined) return Number.POSITIVE_INFINITY;
    const patience = attempt.phase === "chunks" ? STREAM_PATIENCE * connectMs : connectMs;
    return Math.max(quietSince(attempt) + patience, attempt.nextProbeAt);
  };

  const interrupt = (attempt: Progress, reason: RouterError): void => {
    end(attempt);
    attempt.client.interrupt(reason);
  };

  /** Gives an attempt up that does not move if new connections go unanswered as well, or its engine is unwell. */
  const probe = async (attempt: Progress): Promise<void> => {
    const since = quietSince(attempt);
    if (since !== attempt.unansweredSince) attempt.unanswered = 0;
    attempt.unansweredSince = since;
    attempt.isProbing = true;
    const silent = await isSilent(attempt.endpoint.url);
    attempt.isProbing = false;
    if (attempt.phase === "over") return;
    attempt.unanswered = silent ? attempt.unanswered + 1 : 0;
    const isQuiet = quietSince(attempt) === since && attempt.stalledAt === undefined;
    const isReplaceable = attempt.phase !== "chunks" && attempt.call.isReplaySafe;
    if (isQuiet && attempt.unanswered >= (isReplaceable ? 1 : SURE)) return interrupt(attempt, gone());
    // A process that hangs still has its connections taken by the system.
    if (isQuiet && isReplaceable && isLeftBehind(attempt.endpoint.id, attempt.model))
      return interrupt(attempt, unwell());
    attempt.nextProbeAt = clock.monotonic() + (attempt.unanswered > 0 ? 0 : connectMs);
    reconsider(attempt);
  };

  const look = (attempt: Progress, now: number): number => {
    const { at, reason } = limitOf(attempt);
    const { requestAt } = attempt;
    if (now >= Math.min(at, requestAt)) {
      interrupt(attempt, now >= requestAt ? requestTimeout() : reason());
      return Number.POSITIVE_INFINITY;
    }
    if (now >= probeAt(attempt)) void probe(attempt);
    return Math.min(at, requestAt, probeAt(attempt));
  };

  const watch = createWatch(look, { clock });
  const reconsider = (attempt: Progress): void =>
    watch.by(attempt, Math.min(limitOf(attempt).at, probeAt(attempt)));
  const end = (attempt: Progress): void => {
    attempt.phase = "over";
    watch.end(attempt);
  };

  return {
    begin: ({ call, client, endpoint, model, ticket }) => {
      const sentAt = ticket.lastAt();
      const requestAt = client.dueAt;
      const attempt: Progress = {
        call,
        client,
        endpoint,
        model,
        ticket,
        sentAt,
        requestAt,
        dueAt: Math.min(sentAt + soonestMs, requestAt),
        place: undefined,
        phase: "head",
        stalledAt: undefined,
        resumedAt: sentAt,
        isProbing: false,
        nextProbeAt: sentAt,
        unanswered: 0,
        unansweredSince: sentAt,
      };
      watch.add(attempt);
      return attempt;
    },
    head: (attempt) => {
      attempt.phase = "first chunk";
    },
    firstChunk: (attempt) => {
      attempt.phase = "chunks";
      reconsider(attempt);
    },
    stalled: (attempt, isStalled) => {
      if (attempt.phase === "over") return;
      attempt.resumedAt = clock.monotonic();
      attempt.stalledAt = isStalled ? attempt.resumedAt : undefined;
      reconsider(attempt);
    },
    end,
  };
};
