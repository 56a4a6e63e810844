import type { Endpoint } from "../../src/core/endpoint.ts";
import type { EngineObject } from "../../src/discovery/engine-object.ts";
import { createEngineSet } from "../../src/discovery/engine-set.ts";
import { createSleepStates } from "../../src/fleet/sleep-states.ts";
import { createTestClock, settle } from "../support/clock.ts";
import { createFakeEngines, createTestLog } from "./engines.ts";

/** A set of engines in virtual time, and all that it was lent. */
export const start = (known: readonly Endpoint[] = []) => {
  const clock = createTestClock();
  const engines = createFakeEngines(clock);
  const { log, lines } = createTestLog(clock);
  const sleep = createSleepStates();
  const seen = new Set<string>();
  const set = createEngineSet(
    { what: "pods", selected: "pods with app=vllm in namespace default", timeoutMs: 10_000 },
    { clock, fetch: engines.fetch, log, random: () => 0.5, known, seen, sleep },
  );
  const pass = async (ms: number): Promise<void> => {
    await settle();
    for (let passed = 0; passed < ms; passed += 250) {
      clock.advance(Math.min(250, ms - passed));
      await settle();
    }
  };
  return { clock, engines, lines, sleep, seen, set, pass, names: () => set.endpoints.map(({ url }) => url) };
};

let versions = 0;
/** An object that is ready; each one is another version of it. */
export const object = (name: string, more: Partial<EngineObject> = {}): EngineObject => ({
  name,
  uid: `uid-of-${name}`,
  version: String((versions += 1)),
  createdAt: 0,
  isMarkedAsleep: false,
  canSleep: false,
  url: `http://${name}:8000`,
  ...more,
});
/** An object that is there and must get no requests. */
export const unready = (name: string, reason = "it is not ready"): EngineObject => {
  const { url: _, ...rest } = object(name);
  return { ...rest, reason };
};
/** Where the engine of an object is. */
export const url = (name: string): string => `http://${name}:8000`;
