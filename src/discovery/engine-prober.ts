import type { Clock } from "../core/clock.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { ModelCard } from "../core/endpoint.ts";
import type { Log } from "../core/log.ts";
import { whyNoAnswer } from "../core/no-answer.ts";
import { fetchModelCards, fetchSleepState } from "./model-cards.ts";

/** Which engines sleep, by their id; lent by whoever keeps it. */
export interface SleepBook {
  /** Replaced whole by every change. */
  readonly asleep: ReadonlySet<string>;
  readonly set: (endpointId: string, asleep: boolean) => void;
}

/** An engine that is asked what it serves. */
export interface Asked {
  /** Names this engine at this address. */
  readonly key: string;
  readonly id: string;
  readonly url: string;
  /** What it is known to serve already. */
  readonly cards?: readonly ModelCard[] | undefined;
  /** Whether it is asked if it sleeps, too. */
  readonly canSleep?: boolean;
}

interface ProberOptions {
  /** Time that an engine has for its answer. */
  readonly timeoutMs: number;
  /** The engine tells something else than before. */
  readonly onCards: (key: string, cards: readonly ModelCard[]) => void;
  /** A question has ended, after `onCards`. */
  readonly onAsked?: (key: string, hasAnswered: boolean) => void;
  readonly sleep?: SleepBook | undefined;
}

/** What a prober is lent. */
export interface ProberDeps {
  readonly clock: Clock;
  readonly fetch: EngineFetch;
  readonly log: Log;
  /** From 0, below 1. */
  readonly random: () => number;
  /** Sent to every engine. */
  readonly apiKey?: string | undefined;
}

/** Asks engines for their models until it is told to forget them. Disposing it ends all questions. */
export interface EngineProber extends AsyncDisposable {
  /** Asks now: for the first time, or once more where the engine is known. */
  readonly ask: (engine: Asked) => void;
  readonly forget: (key: string) => void;
}

interface Subject {
  engine: Asked;
  cards: readonly ModelCard[] | undefined;
  failures: number;
  isAsking: boolean;
  /** Asked for while a question was under way, whose answer may be older than the reason to ask. */
  isWanted: boolean;
  timer: Disposable | undefined;
  readonly stop: AbortController;
}

const RETRY_MS = { first: 250, max: 10_000 };
/** How often an engine that answered is asked again: adapters come and go. */
const REFRESH_MS = 30_000;
/** Share by which a refresh may come sooner or later, so that routers fall out of step. */
const JITTER = 0.1;

/** Fields that vLLM makes anew for every answer, with a random id and the time of day. */
const VOLATILE: ReadonlySet<string> = new Set(["created", "permission"]);

const lasting = (cards: readonly ModelCard[] | undefined): string | undefined =>
  JSON.stringify(cards, (key, value: unknown) => (VOLATILE.has(key) ? undefined : value));

/**
 * Asks each engine apart from all others: again with growing pauses until it answers, then twice a minute. What
 * an engine once told holds while it fails; whether it is alive is for health checks to say.
 */
export const createEngineProber = (
  { timeoutMs, onCards, onAsked, sleep }: ProberOptions,
  { clock, fetch, log, random, apiKey }: ProberDeps,
): EngineProber => {
  const subjects = new Map<string, Subject>();
  const asking = new Set<Promise<void>>();

  const learnSleep = async ({ id, url }: Asked, signal: AbortSignal): Promise<void> => {
    if (!sleep) return;
    const wasAsleep = sleep.asleep.has(id);
    const isAsleep = await fetchSleepState(url, { fetch, apiKey }, signal);
    // Otherwise somebody sent it to sleep or woke it while it answered, and knows better.
    if (sleep.asleep.has(id) === wasAsleep && !signal.aborted) sleep.set(id, isAsleep);
  };

  const question = async ({ engine, stop }: Subject): Promise<readonly ModelCard[]> => {
    const deadline = new AbortController();
    using _timer = clock.after(timeoutMs, () => deadline.abort(new Error(`no answer in ${timeoutMs} ms`)));
    const signal = AbortSignal.any([stop.signal, deadline.signal]);
    // First, so that no engine is known as awake before it has said so.
    const slept = engine.canSleep
      ? learnSleep(engine, signal).catch((error: unknown) =>
          log.debug(`Engine ${engine.url} does not tell whether it sleeps (${String(error)})`),
        )
      : undefined;
    const [cards] = await Promise.all([fetchModelCards(engine.url, { fetch, apiKey }, signal), slept]);
    if (cards.length === 0) throw new Error("/v1/models lists no model");
    return cards;
  };

  const learn = (subject: Subject, cards: readonly ModelCard[]): void => {
    subject.failures = 0;
    if (lasting(subject.cards) === lasting(cards)) return;
    subject.cards = cards;
    const { key, url } = subject.engine;
    log.info(`Engine ${url} serves ${cards.map(({ id }) => id).join(", ")}`);
    onCards(key, cards);
  };

  const run = async (subject: Subject): Promise<void> => {
    let hasAnswered = false;
    try {
      const cards = await question(subject);
      if (subject.stop.signal.aborted) return;
      learn(subject, cards);
      hasAnswered = true;
    } catch (error) {
      if (subject.stop.signal.aborted) return;
      subject.failures += 1;
      if (subject.failures === 1) {
        log.warning(
          `Engine ${subject.engine.url} does not tell its models: ${whyNoAnswer(error)}; asking again until it does`,
        );
      }
    }
    subject.isAsking = false;
    onAsked?.(subject.engine.key, hasAnswered);
    if (!subject.stop.signal.aborted) schedule(subject);
  };

  const start = (subject: Subject): void => {
    subject.timer = undefined;
    subject.isAsking = true;
    subject.isWanted = false;
    const task = run(subject).finally(() => asking.delete(task));
    asking.add(task);
  };

  const schedule = (subject: Subject): void => {
    const { failures, isWanted } = subject;
    const pauseMs = REFRESH_MS * (1 + JITTER * (2 * random() - 1));
    const retryMs = Math.min(RETRY_MS.first * 2 ** (failures - 1), RETRY_MS.max);
    const delayMs = isWanted ? RETRY_MS.first : failures === 0 ? pauseMs : retryMs;
    subject.timer = clock.after(delayMs, () => start(subject));
  };

  const end = ({ stop, timer }: Subject): void => {
    stop.abort(new Error("nobody asks any more"));
    timer?.[Symbol.dispose]();
  };

  return {
    ask: (engine) => {
      const known = subjects.get(engine.key);
      if (known) {
        known.engine = engine;
        known.isWanted = true;
        if (known.isAsking) return;
        known.timer?.[Symbol.dispose]();
        start(known);
        return;
      }
      const { cards } = engine;
      const stop = new AbortController();
      const subject = {
        engine,
        cards,
        stop,
        failures: 0,
        isAsking: false,
        isWanted: false,
        timer: undefined,
      };
      subjects.set(engine.key, subject);
      start(subject);
    },
    forget: (key) => {
      const subject = subjects.get(key);
      if (subject) end(subject);
      subjects.delete(key);
    },
    [Symbol.asyncDispose]: async () => {
      for (const subject of subjects.values()) end(subject);
      subjects.clear();
      await Promise.all(asking);
    },
  };
};
