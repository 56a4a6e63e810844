import { describe, expect, test } from "bun:test";
import { createOutliers, type OutlierOptions } from "../../src/health/outliers.ts";
import type { Ending } from "../../src/health/trials.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createSeveralOutliers } from "./several-outliers.ts";
import { createTestClock } from "../support/clock.ts";

const breaker = { failureThreshold: 5, successThreshold: 1, ejectionMs: 5000, windowMs: 30_000 };

const broken: Ending = { reason: "it answered 500", isUnreachable: false };
const unreachable: Ending = { reason: "it cannot be reached", isUnreachable: true };

/** Whatever one thread says of engines, several threads say together. */
const judges: readonly (readonly [string, typeof createOutliers])[] = [
  ["one thread", createOutliers],
  ["several", createSeveralOutliers],
];

const endpointsOf = (ids: readonly string[]) => new Map(ids.map((id) => [id, { url: `http://${id}` }]));

/** Engines e0, e1, ... that all serve one model, the router long started unless a test says otherwise. */
const start = (create: typeof createOutliers, count: number, given: Partial<OutlierOptions> = {}) => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  const ejections: string[] = [];
  const suspects: string[] = [];
  const healthChangedAt = new Map<string, number>();
  const outliers = create(
    { breaker, slowStartMs: 30_000, ...given },
    {
      clock,
      log,
      random: () => 0.5,
      healthChangedAt: (id) => healthChangedAt.get(id),
      onEjected: (url, trip) => ejections.push(`${url} ${trip}`),
    },
  );
  const ids = Array.from({ length: count }, (_, index) => `e${index}`);
  const see = (able: readonly string[] = ids, pools: readonly (readonly string[])[] = [able]): void =>
    outliers.see({ endpoints: endpointsOf([...able, ...ids]), able: new Set(able), pools });
  see();
  clock.advance(60_000);
  const endpoint = (id: string) => ({ id, url: `http://${id}`, models: ["m"], addedAt: 0 });
  const begin = (id: string) => outliers.begin(endpoint(id), (suspect) => suspects.push(suspect));
  const send = (id: string, ending: Ending, times = 1): void => {
    for (let nth = 0; nth < times; nth += 1) {
      const trial = begin(id);
      if (ending === "ended") trial.answered();
      trial.end(ending);
    }
  };
  const stateOf = (id: string): string => outliers.standingOf(id).state;
  /** What was logged, without its time. */
  const said = (): string[] =>
    lines.map((line) => line.replace(/^\[[^\]]*\] /, "").replace(" (vllm_router)\n", ""));
  return { outliers, clock, said, ejections, suspects, healthChangedAt, see, begin, send, stateOf };
};

describe.each(judges)("an engine that fails again and again, judged by %s", (_by, create) => {
  test("is ejected with one warning that says why, and comes back with one line of information", () => {
    const { outliers, clock, said, ejections, send, stateOf } = start(create, 3);
    send("e0", broken, 4);
    expect([outliers.isQuiet(), stateOf("e0")]).toEqual([true, "serving"]);
    send("e0", broken, 3);
    expect([outliers.isQuiet(), stateOf("e0"), stateOf("e1")]).toEqual([false, "ejected", "serving"]);
    clock.advance(5000);
    expect(outliers.standingOf("e0")).toMatchObject({ state: "half_open", isOpen: true });
    send("e0", "ended");
    clock.advance(10_000);
    expect(stateOf("e0")).toBe("slow_start");
    expect(said()).toEqual([
      "WARNING: Engine http://e0 gets no requests for 5 s, because one after the other fails: it answered 500",
      "INFO: Engine http://e0 answers again and gets requests, after 15 s",
    ]);
    expect(ejections).toEqual(["http://e0 consecutive_failures"]);
    clock.advance(30_000);
    expect([stateOf("e0"), outliers.isQuiet()]).toEqual(["serving", true]);
  });

  test("may have one request at a time while it is half-open", () => {
    const { outliers, clock, begin, send } = start(create, 2);
    const isOpen = (): boolean => outliers.standingOf("e0").isOpen;
    send("e0", broken, 5);
    expect(isOpen()).toBe(false);
    clock.advance(5000);
    const probe = begin("e0");
    expect(isOpen()).toBe(false);
    probe.answered();
    expect(isOpen()).toBe(false);
    probe.end("ended");
    expect(isOpen()).toBe(true);
    begin("e0").end("left");
    expect(isOpen()).toBe(true);
    begin("e0").end({ busyMs: 1000 });
    expect([isOpen(), outliers.standingOf("e0").state]).toEqual([false, "ejected"]);
  });

  test("closes by the first bytes of a probe that goes on for long", () => {
    const { clock, begin, send, stateOf } = start(create, 2);
    send("e0", broken, 5);
    clock.advance(15_000);
    begin("e0").answered();
    expect(stateOf("e0")).toBe("slow_start");
  });

  test("is ejected by the share of its failures as well", () => {
    const { said, send } = start(create, 2);
    for (let nth = 0; nth < 10; nth += 1) {
      send("e0", "ended");
      send("e0", broken);
    }
    expect(said()).toEqual([]);
    send("e0", broken);
    expect(said()).toEqual([expect.stringContaining("because most of them fail")]);
  });

  test("is not ejected for being busy, nor for clients that leave", () => {
    const { ejections, said, send } = start(create, 2);
    send("e0", { busyMs: 1000 }, 100);
    send("e0", "left", 100);
    expect([ejections, said()]).toEqual([[], []]);
  });

  test("gets less for as long as it says that it has no room", () => {
    const { outliers, clock, send } = start(create, 2);
    send("e0", { busyMs: 7000 });
    send("e0", { busyMs: 1000 });
    expect(outliers.standingOf("e0")).toMatchObject({ state: "serving", weight: 0.1, isOpen: true });
    expect(outliers.standingOf("e1").weight).toBe(1);
    clock.advance(6999);
    expect(outliers.standingOf("e0").weight).toBe(0.1);
    clock.advance(1);
    expect(outliers.standingOf("e0").weight).toBe(1);
    expect(outliers.isQuiet()).toBe(true);
  });

  test("that comes back and has no room gets no more than one that has none", () => {
    const { outliers, clock, see, send } = start(create, 2);
    see(["e1"]);
    see(["e0", "e1"]);
    clock.advance(15_000);
    send("e0", { busyMs: 1000 });
    expect(outliers.standingOf("e0")).toMatchObject({ state: "slow_start", weight: 0.1 });
    clock.advance(1000);
    expect(outliers.standingOf("e0").weight).toBeGreaterThan(0.5);
  });

  test("is judged by the first end of a request only", () => {
    const { outliers, begin } = start(create, 2);
    for (let nth = 0; nth < 10; nth += 1) {
      const trial = begin("e0");
      trial.end("left");
      trial.answered();
      trial.end(broken);
    }
    expect(outliers.isQuiet()).toBe(true);
  });

  test("is never ejected where it is the only one, or half of the others are", () => {
    const alone = start(create, 1);
    alone.send("e0", broken, 100);
    expect(alone.outliers.isQuiet()).toBe(true);
    const five = start(create, 5);
    for (const id of ["e0", "e1", "e2", "e3", "e4"]) five.send(id, broken, 30);
    expect(["e0", "e1", "e2", "e3", "e4"].map(five.stateOf)).toEqual([
      "ejected",
      "ejected",
      "serving",
      "serving",
      "serving",
    ]);
  });

  test("is ejected as soon as there is room", () => {
    const { clock, send, stateOf } = start(create, 2);
    send("e0", broken, 5);
    send("e1", broken, 5);
    expect(stateOf("e1")).toBe("serving");
    clock.advance(15_000);
    send("e0", "ended");
    expect(stateOf("e0")).toBe("slow_start");
    send("e1", broken);
    expect(stateOf("e1")).toBe("ejected");
  });

  test("may be ejected although it alone serves one of its models", () => {
    const { see, send, stateOf } = start(create, 3);
    see(["e0", "e1", "e2"], [["e0"], ["e0", "e1", "e2"]]);
    send("e0", broken, 5);
    expect(stateOf("e0")).toBe("ejected");
  });

  test("is left alone where there is no breaker", () => {
    const { outliers, send, suspects } = start(create, 3, { breaker: undefined });
    send("e0", unreachable, 100);
    expect([outliers.isQuiet(), suspects]).toEqual([true, []]);
  });

  test("is another one when it comes again under the same name", () => {
    const { outliers, clock, said, see, begin, send, stateOf } = start(create, 2);
    send("e0", broken, 5);
    clock.advance(15_000);
    const old = begin("e0");
    outliers.see({ endpoints: endpointsOf(["e1"]), able: new Set(["e1"]), pools: [["e1"]] });
    see();
    send("e0", broken, 5);
    expect(stateOf("e0")).toBe("ejected");
    old.answered();
    old.end(broken);
    expect(stateOf("e0")).toBe("ejected");
    expect(said().filter((line) => line.startsWith("INFO"))).toEqual([]);
  });

  test("is forgotten when it is gone", () => {
    const { outliers, see, begin, send } = start(create, 3);
    const late = begin("e3");
    send("e3", broken, 4);
    send("e0", broken, 5);
    outliers.see({ endpoints: endpointsOf(["e1"]), able: new Set(["e1"]), pools: [["e1"]] });
    late.end(broken);
    expect(outliers.isQuiet()).toBe(true);
    see();
    expect(outliers.standingOf("e0").state).toBe("slow_start");
  });
});

describe.each(judges)("an engine to which no connection can be made, judged by %s", (_by, create) => {
  test("is suspected at once, and ejected as unreachable", () => {
    const { outliers, suspects, send } = start(create, 2);
    send("e0", unreachable, 5);
    expect(suspects).toEqual(["e0", "e0", "e0", "e0", "e0"]);
    expect(outliers.standingOf("e0")).toMatchObject({ state: "ejected", isReachable: false });
  });

  test("may be tried as soon as a probe reaches it; one that answered 500 may not", () => {
    const { outliers, clock, send } = start(create, 4);
    send("e0", unreachable, 5);
    send("e1", broken, 5);
    for (const id of ["e0", "e1", "e2"]) outliers.reached(id);
    expect(outliers.standingOf("e0")).toMatchObject({ state: "half_open", isOpen: true, isReachable: true });
    expect(outliers.standingOf("e1")).toMatchObject({ state: "ejected", isOpen: false });
    clock.advance(1);
    expect(outliers.standingOf("e1").state).toBe("ejected");
  });
});

describe.each(judges)("an engine that comes, judged by %s", (_by, create) => {
  test("gets its share bit by bit, and the others keep theirs", () => {
    const { outliers, clock, see } = start(create, 2);
    see(["e0", "e1", "e2"]);
    expect(outliers.standingOf("e2")).toMatchObject({ state: "slow_start", weight: 0.1, isOpen: true });
    expect(outliers.standingOf("e0").weight).toBe(1);
    clock.advance(15_000);
    expect(outliers.standingOf("e2").weight).toBeCloseTo(0.55);
    clock.advance(15_000);
    expect(outliers.standingOf("e2").state).toBe("serving");
    expect(outliers.isQuiet()).toBe(true);
  });

  test("back from its probes does so too", () => {
    const { outliers, see } = start(create, 2);
    see(["e1"]);
    see(["e0", "e1"]);
    expect(outliers.standingOf("e0").state).toBe("slow_start");
  });

  test("at the router's own start gets its full share", () => {
    const clock = createTestClock();
    const { log } = createTestLog(clock);
    const outliers = create(
      { breaker, slowStartMs: 30_000 },
      { clock, log, random: () => 0.5, healthChangedAt: () => undefined, onEjected: () => {} },
    );
    const see = (...ids: readonly string[]): void =>
      outliers.see({ endpoints: endpointsOf(ids), able: new Set(ids), pools: [ids] });
    see();
    clock.advance(2000);
    see("a");
    clock.advance(2000);
    see("a", "b");
    expect(outliers.isQuiet()).toBe(true);
  });

  test("gets its full share at once where slow start is off", () => {
    const { outliers, see } = start(create, 2, { slowStartMs: 0 });
    see(["e0", "e1", "e2"]);
    expect(outliers.isQuiet()).toBe(true);
  });
});

describe.each(judges)("an engine that comes and goes, judged by %s", (_by, create) => {
  test("is slowed down instead of ejected soon after it came back", () => {
    const { outliers, clock, said, send, stateOf } = start(create, 2);
    send("e0", broken, 5);
    clock.advance(15_000);
    send("e0", "ended");
    clock.advance(10_000);
    expect(outliers.standingOf("e0").weight).toBeCloseTo(0.4);
    send("e0", broken, 5);
    expect(outliers.standingOf("e0")).toMatchObject({ state: "slow_start", weight: 0.1 });
    clock.advance(5000);
    send("e0", broken);
    expect(stateOf("e0")).toBe("ejected");
    expect(said().filter((line) => line.startsWith("WARNING"))).toHaveLength(2);
  });

  test("is held as long after its probes let it in", () => {
    const { clock, healthChangedAt, send, stateOf } = start(create, 2);
    healthChangedAt.set("e0", clock.monotonic());
    clock.advance(14_999);
    send("e0", broken, 5);
    expect(stateOf("e0")).toBe("slow_start");
    clock.advance(1);
    send("e0", broken);
    expect(stateOf("e0")).toBe("ejected");
  });

  test("tells when it was let in again", () => {
    const { outliers, clock, send } = start(create, 2);
    expect(outliers.returnedAt("e0")).toBeUndefined();
    send("e0", broken, 5);
    expect(outliers.returnedAt("e0")).toBeUndefined();
    clock.advance(15_000);
    send("e0", "ended");
    expect(outliers.returnedAt("e0")).toBe(75_000);
  });
});
