import type { Clock } from "../core/clock.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import { createMockEngine } from "./engine.ts";
import type { MockEngineConfig } from "./options.ts";

/** What the command is lent. */
export interface MockEngineCommandDeps {
  readonly clock: Clock;
  readonly fetch: EngineFetch;
  /** Writes text to standard output. */
  readonly write: (text: string) => void;
  /** Ends the engine when it aborts. */
  readonly signal: AbortSignal;
}

/** `vllm-router mock-engine`: runs one engine until the signal aborts; rejects when it cannot listen. */
export const runMockEngine = async (values: MockEngineConfig, deps: MockEngineCommandDeps): Promise<void> => {
  const { clock, fetch, write, signal } = deps;
  const log = { error: (message: string) => write(`${message}\n`) };
  await using engine = createMockEngine(values, { clock, fetch, log });
  write(`listening on ${engine.url}\n`);
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
};
