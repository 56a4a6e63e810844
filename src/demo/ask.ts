import type { Clock } from "../core/clock.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { Routed } from "../proxy/forward.ts";
import { type ChatAnswer, streamChat } from "./chat.ts";
import type { DemoEngine, DemoFleet } from "./fleet.ts";
import { chatOf, type DemoRequest } from "./requests.ts";

/** Where a request went, and why. */
export interface Choice {
  readonly engine: DemoEngine;
  readonly reason: string;
}

/** Shows a request while it is under way. */
export interface Progress {
  readonly routed: (choice: Choice) => void;
  readonly text: (piece: string) => void;
}

/** A request that was answered. */
export interface Outcome extends Choice {
  readonly request: DemoRequest;
  readonly answer: ChatAnswer;
}

/** Those who wait for the choice of an engine, by request id. */
export type Watchers = Map<string, (routed: Routed) => void>;

interface AskDeps {
  readonly fleet: Pick<DemoFleet, "url" | "engines">;
  readonly watchers: Watchers;
  readonly clock: Clock;
  readonly fetch: EngineFetch;
  readonly signal: AbortSignal;
}

const DEADLINE_MS = 30_000;

/** Sends a request of the demo through the router; rejects when it is not answered whole. */
export type Ask = (request: DemoRequest, progress: Progress) => Promise<Outcome>;

/** Remembers the answers, so that a later request can go on with a conversation. */
export const createAsk = ({ fleet, watchers, clock, fetch, signal }: AskDeps): Ask => {
  const answers = new Map<number, string>();

  return async (request, progress) => {
    const chat = chatOf(request, answers);
    let choice: Choice | undefined;
    watchers.set(chat.id, ({ endpoint, reason }) => {
      const engine = fleet.engines.find(({ url }) => url === endpoint.url);
      if (!engine) return;
      choice = { engine, reason };
      progress.routed(choice);
    });

    const deadline = new AbortController();
    using _timer = clock.after(DEADLINE_MS, () =>
      deadline.abort(new Error(`request ${chat.id} took longer than ${DEADLINE_MS / 1000} s`)),
    );
    const answer = await streamChat(fleet.url, chat, {
      fetch,
      clock,
      signal: AbortSignal.any([signal, deadline.signal]),
      onText: progress.text,
    });
    if (!choice) throw new Error(`the router did not tell where request ${chat.id} went`);
    answers.set(request.number, answer.text);
    return { ...choice, request, answer };
  };
};
