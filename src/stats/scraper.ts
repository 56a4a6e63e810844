import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { EngineStats } from "../core/engine-stats.ts";
import type { Log } from "../core/log.ts";
import { whyNoAnswer } from "../core/no-answer.ts";
import { fetchEngineStats } from "./engine-metrics.ts";

/** What an engine said of itself, and when. */
export interface Reading {
  readonly stats: EngineStats;
  /** Monotonic milliseconds. */
  readonly takenAt: number;
}

interface ScraperOptions {
  /** Asked for at the beginning of each round, and about once a second for engines that are new. */
  readonly endpoints: () => readonly Endpoint[];
  readonly intervalMs: number;
  /** What is known by the id of the engine: kept by whoever lends it, forgotten when an engine is gone. */
  readonly readings?: Map<string, Reading>;
}

interface ScraperDeps {
  readonly clock: Clock;
  /** From 0, below 1. */
  readonly random: () => number;
  readonly fetch: EngineFetch;
  readonly log: Log;
  /** Sent to every engine. */
  readonly apiKey?: string | undefined;
}

/** A running scraper; disposing it ends its questions. */
export interface Scraper extends AsyncDisposable {
  /** The engine's latest word, unless it is older than two intervals. */
  readonly of: (endpointId: string) => EngineStats | undefined;
}

const MAX_TIMEOUT_MS = 10_000;
/** How soon an engine that discovery has just found is asked. */
const NOTICE_MS = 1000;
/** Share of the interval over which the questions of a round are spread, so that routers fall out of step. */
const SPREAD = 0.1;

/** Asks every engine for its metrics once in each interval, all at the same time and apart from any request. */
export const createScraper = (
  { endpoints, intervalMs, readings = new Map() }: ScraperOptions,
  { clock, random, fetch, log, apiKey }: ScraperDeps,
): Scraper => {
  const timeoutMs = Math.min(intervalMs, MAX_TIMEOUT_MS);
  const stop = new AbortController();
  const known = new Set<string>();
  /** The last failure of each engine, so that the same one is told once. */
  const failures = new Map<string, string>();
  const asking = new Map<string, Promise<void>>();
  const waiting = new Map<string, Disposable>();
  let nextRoundAt = clock.monotonic();

  const ask = async ({ id, url }: Endpoint): Promise<void> => {
    const deadline = new AbortController();
    using _timer = clock.after(timeoutMs, () =>
      deadline.abort(new Error(`no answer in ${timeoutMs / 1000} s`)),
    );
    const signal = AbortSignal.any([stop.signal, deadline.signal]);
    try {
      const stats = await fetchEngineStats(url, { fetch, apiKey }, signal);
      if (stop.signal.aborted || !known.has(id)) return;
      readings.set(id, { stats, takenAt: clock.monotonic() });
      if (failures.delete(id)) log.info(`Scraping metrics from ${url} works again`);
    } catch (error) {
      if (stop.signal.aborted || !known.has(id)) return;
      const why = whyNoAnswer(error);
      const line = `Failed to scrape metrics from ${url}: ${why}`;
      if (failures.get(id) === why) log.debug(line);
      else log.error(line);
      failures.set(id, why);
    }
  };

  const start = (endpoint: Endpoint): void => {
    waiting.delete(endpoint.id);
    if (asking.has(endpoint.id)) return;
    const task = ask(endpoint).finally(() => asking.delete(endpoint.id));
    asking.set(endpoint.id, task);
  };

  const startAfter = (delayMs: number, endpoint: Endpoint): void => {
    waiting.get(endpoint.id)?.[Symbol.dispose]();
    waiting.set(
      endpoint.id,
      clock.after(delayMs, () => start(endpoint)),
    );
  };

  const forgetAllBut = (ids: ReadonlySet<string>): void => {
    for (const id of readings.keys()) if (!ids.has(id)) readings.delete(id);
    for (const id of known) {
      if (ids.has(id)) continue;
      known.delete(id);
      failures.delete(id);
      waiting.get(id)?.[Symbol.dispose]();
      waiting.delete(id);
    }
  };

  let noticed: readonly Endpoint[] | undefined;
  const wake = (): void => {
    const now = clock.monotonic();
    const engines = endpoints();
    const fresh = engines.filter(({ id }) => !known.has(id));
    if (engines !== noticed) forgetAllBut(new Set(engines.map(({ id }) => id)));
    noticed = engines;
    for (const { id } of fresh) known.add(id);

    const isRound = now >= nextRoundAt;
    if (isRound) nextRoundAt = now + intervalMs;
    const asked = isRound ? engines : fresh;
    if (asked.length > 0) log.info(`Scraping metrics from ${asked.length} serving engine(s)`);
    for (const endpoint of asked) {
      if (fresh.includes(endpoint)) start(endpoint);
      else startAfter(random() * intervalMs * SPREAD, endpoint);
    }
    timer = clock.after(Math.min(NOTICE_MS, nextRoundAt - now), wake);
  };
  // Whoever creates it comes first: a process that cannot listen has asked nobody.
  let timer = clock.after(0, wake);

  return {
    of: (endpointId) => {
      const reading = readings.get(endpointId);
      return reading && clock.monotonic() - reading.takenAt <= 2 * intervalMs ? reading.stats : undefined;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("the scraper stopped"));
      timer[Symbol.dispose]();
      for (const delayed of waiting.values()) delayed[Symbol.dispose]();
      await Promise.all(asking.values());
    },
  };
};
