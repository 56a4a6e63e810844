import { describe, expect, test } from "bun:test";
import { type AdmissionLimits, createAdmission } from "../../src/admission/admission.ts";
import type { Place } from "../../src/admission/engine-room.ts";
import { createAdmissionState } from "../../src/admission/waiting.ts";
import { RouterError } from "../../src/core/errors.ts";
import { createTestClock, settle } from "../support/clock.ts";

/** An admission, and what it was told to count. */
const start = (limits: Partial<AdmissionLimits> = {}) => {
  const clock = createTestClock();
  const state = createAdmissionState({ clock });
  const counted: unknown[] = [];
  let isShort = false;
  const create = (changed: Partial<AdmissionLimits>) =>
    createAdmission(
      { maxConcurrent: 2, queueSize: 1, queueTimeoutMs: 30_000, ...changed },
      {
        clock,
        state,
        isShort: () => isShort,
        metrics: {
          queued: (ms) => counted.push(ms),
          rejected: (why) => counted.push(why),
        },
      },
    );
  const admission = create(limits);
  let silences = 0;
  const client = (signal = new AbortController().signal, dueAt = Number.POSITIVE_INFINITY) => ({
    signal,
    dueAt,
    allowSilence: () => (silences += 1),
    limitSilence: () => (silences -= 1),
  });
  return {
    clock,
    state,
    admission,
    counted,
    create,
    client,
    silences: () => silences,
    shorten: (isShort_: boolean) => (isShort = isShort_),
    /** A place, or the code of the refusal. */
    enter: async (signal?: AbortSignal, dueAt?: number): Promise<Place | string> => {
      try {
        return await admission.enter(client(signal, dueAt));
      } catch (error) {
        return error instanceof RouterError ? error.code : String(error);
      }
    },
  };
};

const leave = (place: Place | string): void => {
  if (typeof place === "string") throw new Error(`it was refused: ${place}`);
  place.leave();
};

describe("a place", () => {
  test("is there at once, without a promise, while there are fewer under way than may be", () => {
    const { admission, client, state, counted } = start();
    const place = admission.enter(client());
    expect(place).not.toBeInstanceOf(Promise);
    expect([state.underWay.value(), counted]).toEqual([1, []]);
  });

  test("is given back once, however often", async () => {
    const { state, enter } = start();
    const [first] = [await enter(), await enter()];
    leave(first);
    leave(first);
    expect(state.underWay.value()).toBe(1);
  });

  test("goes to whoever waits, whose connection may be silent meanwhile", async () => {
    const { clock, state, enter, counted, silences } = start();
    const [first] = [await enter(), await enter()];
    const waiting = enter();
    expect(silences()).toBe(1);
    clock.advance(5000);
    leave(first);
    expect(await waiting).toBeObject();
    expect([state.underWay.value(), counted, silences()]).toEqual([2, [5000], 0]);
  });

  test("that is free goes to nobody who came after those who wait", async () => {
    const { state, enter, create, client } = start({ queueSize: 5 });
    await enter();
    await enter();
    const waiting = enter();
    // More may be under way from now on, but who waits has not looked yet.
    const wider = create({ maxConcurrent: 3, queueSize: 5 });
    expect(wider.enter(client())).toBeInstanceOf(Promise);
    state.places.advance();
    await settle();
    expect(state.places.depth()).toBe(1);
    void waiting;
  });
});

describe("a request is turned away", () => {
  test("at once where as many wait as may, before its body is read as well", async () => {
    const { admission, enter, counted } = start();
    await enter();
    await enter();
    const waiting = enter();
    expect(await enter()).toBe("queue_full");
    expect(() => admission.check()).toThrow("As many requests wait as may (--queue-size 1).");
    expect(counted).toEqual(["queue_full", "queue_full"]);
    void waiting;
  });

  test("at once where nobody may wait", async () => {
    const { admission, enter } = start({ queueSize: 0 });
    expect(() => admission.check()).not.toThrow();
    const place = await enter();
    await enter();
    expect(() => admission.check()).toThrow(
      "As many requests are under way as may (--max-concurrent-requests 2).",
    );
    leave(place);
    expect(await enter()).toBeObject();
  });

  test("when it has waited for its time, which is counted", async () => {
    const { clock, enter, counted, state } = start();
    await enter();
    await enter();
    const waiting = enter();
    clock.advance(30_000);
    expect(await waiting).toBe("queue_timeout");
    expect(counted).toEqual(["queue_timeout", 30_000]);
    expect(state.underWay.value()).toBe(2);
  });

  test("when its own time is over before that, which is no rejection either", async () => {
    const { clock, enter, counted, state } = start();
    await enter();
    await enter();
    const waiting = enter(undefined, clock.monotonic() + 500);
    clock.advance(499);
    await settle();
    expect(state.places.depth()).toBe(1);
    clock.advance(1);
    expect(await waiting).toBe("request_timeout");
    expect([counted, state.places.depth()]).toEqual([[500], 0]);
  });

  test("by nobody when its client leaves: that is no rejection", async () => {
    const { clock, enter, counted, state } = start();
    await enter();
    await enter();
    const leaving = new AbortController();
    const waiting = enter(leaving.signal);
    clock.advance(10);
    leaving.abort();
    expect(await waiting).toBe("client_closed");
    expect([counted, state.places.depth()]).toEqual([[10], 0]);
  });

  test("while memory is short, but never the only one", async () => {
    const { admission, enter, shorten, counted } = start();
    shorten(true);
    expect(() => admission.check()).not.toThrow();
    const place = await enter();
    expect(() => admission.check()).toThrow("short of memory");
    expect(counted).toEqual(["overloaded"]);
    leave(place);
    expect(() => admission.check()).not.toThrow();
  });

  test("while memory is short and the body of another one is being read", async () => {
    const { admission, shorten } = start();
    shorten(true);
    const { promise: body, resolve: end } = Promise.withResolvers<void>();
    const reading = admission.read(body);
    expect(() => admission.check()).toThrow("short of memory");
    end();
    await reading;
    expect(() => admission.check()).not.toThrow();
    const failing = admission.read(Promise.reject(new Error("no body")));
    expect(await failing.catch(String)).toBe("Error: no body");
    expect(() => admission.check()).not.toThrow();
  });
});
