import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { Narrowing } from "../../src/fleet/engine-group.ts";
import { createFleet } from "../../src/fleet/fleet.ts";
import { createSleepStates } from "../../src/fleet/sleep-states.ts";
import { type Excluded, modelKey } from "../../src/health/engine-health.ts";
import { createRequestLedger } from "../../src/stats/request-ledger.ts";
import { createTestClock } from "../support/clock.ts";

const engine = (id: string, ...models: readonly string[]): Endpoint => ({
  id,
  url: `http://${id}`,
  models,
  addedAt: 0,
});

const none = { ejected: 0, starting: 0 };

/** A fleet over a discovery that a test changes by hand. */
const start = (...initial: readonly Endpoint[]) => {
  const clock = createTestClock();
  const ledger = createRequestLedger({ windowMs: 60_000 }, { clock });
  let endpoints: readonly Endpoint[] = initial;
  let excluded: Excluded = { engines: new Set(), models: new Set() };
  const serving: string[][] = [];
  const seen = new Set(initial.flatMap(({ models }) => models));
  const fleet = createFleet(
    {
      get endpoints() {
        return endpoints;
      },
      hasSeen: (model) => seen.has(model),
      [Symbol.asyncDispose]: async () => {},
    },
    { ...ledger, serving: (ids) => serving.push([...ids]) },
    createSleepStates(),
    {
      health: {
        get excluded() {
          return excluded;
        },
      },
    },
  );
  const idsFor = (model: string, narrowing?: Narrowing): string[] | undefined =>
    fleet.candidates(model, narrowing)?.map(({ endpoint: { id } }) => id);
  const discover = (...found: readonly Endpoint[]): void => {
    endpoints = found;
  };
  /** Engines by their id, models as `[id, model]`. */
  const exclude = (...failing: readonly (string | readonly [id: string, model: string])[]): void => {
    excluded = {
      engines: new Set(failing.filter((what) => typeof what === "string")),
      models: new Set(failing.flatMap((what) => (typeof what === "string" ? [] : [modelKey(...what)]))),
    };
  };
  return { fleet, ledger, idsFor, discover, exclude, serving };
};

test("is empty while there is no engine at all, and not while none can serve", () => {
  const { fleet, exclude, discover } = start();
  expect(fleet.isEmpty()).toBe(true);
  discover(engine("a", "m"));
  exclude("a");
  expect(fleet.isEmpty()).toBe(false);
});

describe("candidates", () => {
  test("are told apart from those that cannot serve, whenever that may have changed", () => {
    const { fleet, idsFor, exclude, discover, serving } = start(engine("a", "m"), engine("b", "m", "n"));
    idsFor("m");
    idsFor("m");
    exclude(["b", "m"]);
    idsFor("m");
    exclude("b");
    idsFor("m");
    exclude();
    fleet.setSleeping("a", true);
    idsFor("m");
    discover(engine("c", "m"));
    idsFor("m");
    expect(serving).toEqual([["a", "b"], ["a", "b"], ["a"], ["b"], ["c"]]);
  });

  test("are the engines that serve the model, each once, in the order of discovery", () => {
    const { idsFor } = start(engine("a", "m", "n", "m"), engine("b", "n"), engine("c", "m"));
    expect([idsFor("m"), idsFor("n"), idsFor("other")]).toEqual([["a", "c"], ["a", "b"], undefined]);
  });

  test("are the same array while nothing changes", () => {
    const { fleet, ledger } = start(engine("a", "m"), engine("b", "m", "n"));
    const before = [fleet.candidates("m"), fleet.candidates("n")];
    ledger.begin("a");
    fleet.candidates("m", { except: new Set(["a"]) });
    fleet.candidates("m", { only: "b" });
    fleet.missing("m");
    fleet.find("a");
    fleet.setSleeping("a", false);
    expect(fleet.candidates("m")).toBe(before[0]);
    expect(fleet.candidates("m", { except: new Set() })).toBe(before[0]);
    expect(fleet.candidates("n")).toBe(before[1]);
  });

  test("are replaced, never edited, when discovery finds others", () => {
    const { fleet, idsFor, discover } = start(engine("a", "m"));
    const before = fleet.candidates("m");
    discover(engine("a", "m"), engine("b", "m"));
    expect(idsFor("m")).toEqual(["a", "b"]);
    expect(before?.map(({ endpoint: { id } }) => id)).toEqual(["a"]);
    discover();
    expect(idsFor("m")).toBeUndefined();
    expect(fleet.endpoints).toEqual([]);
  });

  test("show their load as it is when they are looked at", () => {
    const { fleet, ledger } = start(engine("a", "m"));
    const candidates = fleet.candidates("m");
    const ticket = ledger.begin("a");
    expect(candidates?.[0].requests.inPrefill).toBe(1);
    ticket.end();
    expect(candidates?.[0].requests.inPrefill).toBe(0);
  });

  test("show what their engine says of itself as it is when they are looked at", () => {
    const said = new Map([["a", { running: 1 }]]);
    const ledger = createRequestLedger({ windowMs: 60_000 }, { clock: createTestClock() });
    const endpoints = [engine("a", "m"), engine("b", "m")];
    const fleet = createFleet(
      { endpoints, hasSeen: () => true, [Symbol.asyncDispose]: async () => {} },
      { ...ledger, engine: (id) => said.get(id) },
    );
    const candidates = fleet.candidates("m");
    expect(candidates?.map((candidate) => candidate.engine)).toEqual([{ running: 1 }, undefined]);
    said.set("b", { running: 2 });
    expect(candidates?.[1]?.engine).toEqual({ running: 2 });
    expect(fleet.candidates("m")).toBe(candidates);
  });

  test("keep the load of an engine that others join or leave", () => {
    const { fleet, ledger, discover } = start(engine("a", "m"), engine("b", "m"));
    const ticket = ledger.begin("a");
    discover(engine("a", "m", "lora"));
    expect(fleet.candidates("lora")?.[0].requests.inPrefill).toBe(1);
    ticket.end();
    expect(fleet.candidates("m")?.[0].requests).toMatchObject({ inPrefill: 0, qps: 1 / 60 });
  });

  test("begin anew where another engine has the name of one that is gone", () => {
    const { fleet, ledger, idsFor, discover } = start(engine("a", "m"), engine("b", "m"));
    discover({ ...engine("a", "m"), instance: "first" }, engine("b", "m"));
    expect(idsFor("m")).toEqual(["a", "b"]);
    for (const id of ["a", "b"]) ledger.begin(id).end();
    expect([ledger.of("a").finished, ledger.of("b").finished]).toEqual([1, 1]);
    discover({ ...engine("a", "m"), instance: "second" }, engine("b", "m"));
    expect(fleet.candidates("m")?.map(({ requests }) => requests.finished)).toEqual([0, 1]);
  });

  test("may be narrowed to one, and to all but those that failed", () => {
    const { idsFor } = start(engine("a", "m"), engine("b", "m"), engine("c", "n"));
    expect(idsFor("m", { only: "b" })).toEqual(["b"]);
    expect(idsFor("m", { only: "c" })).toBeUndefined();
    expect(idsFor("m", { only: "" })).toBeUndefined();
    expect(idsFor("m", { except: new Set(["a"]) })).toEqual(["b"]);
    expect(idsFor("m", { except: new Set(["a", "b"]) })).toBeUndefined();
    expect(idsFor("m", { only: "a", except: new Set(["a"]) })).toBeUndefined();
    expect(idsFor("m", { only: "a", except: new Set(["b"]) })).toEqual(["a"]);
  });

  test("are those of a plain filter, whatever sleeps, is sick, fails, is asked for or was discovered", () => {
    const model = fc.constantFrom("m", "n", "o");
    const id = fc.constantFrom("a", "b", "c", "d");
    const found = fc
      .uniqueArray(id)
      .chain((ids) =>
        fc.tuple(...ids.map((each) => fc.array(model).map((models) => engine(each, ...models)))),
      );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(found, id, fc.boolean(), fc.array(fc.oneof(id, fc.tuple(id, model)))), {
          minLength: 1,
        }),
        model,
        fc.record({ only: fc.option(id, { nil: undefined }), except: fc.uniqueArray(id) }),
        (changes, wanted, { only, except }) => {
          const { fleet, idsFor, discover, exclude } = start();
          const asleep = new Map<string, boolean>();
          for (const [endpoints, sleeper, sleeps, sick] of changes) {
            discover(...endpoints);
            exclude(...sick);
            const isSick = (each: string, one: string): boolean =>
              sick.some((what) => what === each || (what[0] === each && what[1] === one));
            fleet.setSleeping(sleeper, sleeps);
            asleep.set(sleeper, sleeps);
            const expected = endpoints
              .filter(({ id: each, models }) => models.includes(wanted) && asleep.get(each) !== true)
              .filter(({ id: each }) => !isSick(each, wanted))
              .map(({ id: each }) => each)
              .filter((each) => (only === undefined || each === only) && !new Set<string>(except).has(each));
            const ids = idsFor(wanted, { only, except: new Set(except) });
            expect(ids).toEqual(expected.length > 0 ? expected : undefined);
          }
        },
      ),
    );
  });
});

describe("an engine that sleeps", () => {
  test("gets no requests until it wakes, and is still found and listed", () => {
    const { fleet, idsFor } = start(engine("a", "m"), engine("b", "m"));
    fleet.setSleeping("a", true);
    expect(idsFor("m")).toEqual(["b"]);
    expect(idsFor("m", { only: "a" })).toBeUndefined();
    expect(fleet.find("a")?.url).toBe("http://a");
    expect(fleet.endpoints).toHaveLength(2);
    fleet.setSleeping("a", false);
    expect(idsFor("m")).toEqual(["a", "b"]);
  });

  test("and is said to sleep again changes nothing", () => {
    const { fleet } = start(engine("a", "m"), engine("b", "m"));
    fleet.setSleeping("a", true);
    const candidates = fleet.candidates("m");
    fleet.setSleeping("a", true);
    expect(fleet.candidates("m")).toBe(candidates);
  });

  test("sleeps on when discovery changes", () => {
    const { fleet, idsFor, discover } = start(engine("a", "m"), engine("b", "m"));
    fleet.setSleeping("a", true);
    discover(engine("a", "m", "n"), engine("b", "m"));
    expect([idsFor("m"), idsFor("n")]).toEqual([["b"], undefined]);
  });
});

describe("an engine that fails its checks", () => {
  test("gets no requests until it passes them, and is still found and listed", () => {
    const { fleet, idsFor, exclude } = start(engine("a", "m", "n"), engine("b", "m"));
    exclude("a");
    expect([idsFor("m"), idsFor("n"), idsFor("m", { only: "a" })]).toEqual([["b"], undefined, undefined]);
    expect(fleet.find("a")?.url).toBe("http://a");
    expect(fleet.endpoints).toHaveLength(2);
    expect(fleet.onlyModel()).toBeUndefined();
    expect(fleet.missing("n").code).toBe("no_endpoint");
    exclude();
    expect([idsFor("m"), idsFor("n")]).toEqual([["a", "b"], ["a"]]);
  });

  test("for one of its models serves the others", () => {
    const { idsFor, exclude } = start(engine("a", "m", "n"), engine("b", "m"));
    exclude(["a", "m"]);
    expect([idsFor("m"), idsFor("n")]).toEqual([["b"], ["a"]]);
  });
});

describe("the counts", () => {
  test("tell who exists, who is healthy, and who gets requests", () => {
    const { fleet, exclude, discover } = start(engine("a", "m", "n"), engine("b", "m"), engine("c", "m"));
    expect(fleet.counts()).toEqual({ ...none, total: 3, healthy: 3, routable: 3 });
    exclude("a", ["b", "m"]);
    expect(fleet.counts()).toEqual({ ...none, total: 3, healthy: 1, routable: 1 });
    exclude(["a", "m"]);
    expect(fleet.counts()).toEqual({ ...none, total: 3, healthy: 3, routable: 3 });
    fleet.setSleeping("b", true);
    expect(fleet.counts()).toEqual({ ...none, total: 3, healthy: 3, routable: 2 });
    exclude("a", "b");
    expect(fleet.counts()).toEqual({ ...none, total: 3, healthy: 1, routable: 1 });
    discover();
    expect(fleet.counts()).toEqual({ ...none, total: 0, healthy: 0, routable: 0 });
  });
});

describe("a model without candidates", () => {
  test("that was never seen is not found", () => {
    const error = start(engine("a", "m")).fleet.missing("x");
    expect([error.code, error.message]).toEqual([
      "model_not_found",
      "Model 'x' not found. Available models can be listed at /v1/models.",
    ]);
  });

  test("that was seen is unavailable for now: gone, asleep, or not on the engine asked for", () => {
    const { fleet, discover } = start(engine("a", "m"));
    fleet.setSleeping("a", true);
    discover();
    const error = fleet.missing("m");
    expect([error.code, error.message]).toEqual([
      "no_endpoint",
      "Model 'm' is temporarily unavailable. Please try again later.",
    ]);
  });
});

describe("the only model", () => {
  test("is the one that all engines serve", () => {
    expect(start(engine("a", "m"), engine("b", "m")).fleet.onlyModel()).toBe("m");
    expect(start(engine("a", "m", "n")).fleet.onlyModel()).toBeUndefined();
    expect(start(engine("a", "m"), engine("b", "n")).fleet.onlyModel()).toBeUndefined();
    expect(start().fleet.onlyModel()).toBeUndefined();
  });

  test("stays the same while engines sleep: who asks then is told that it is unavailable, or which is meant", () => {
    const one = start(engine("a", "m")).fleet;
    one.setSleeping("a", true);
    expect(one.onlyModel()).toBe("m");
    const two = start(engine("a", "m"), engine("b", "n")).fleet;
    two.setSleeping("b", true);
    expect(two.onlyModel()).toBeUndefined();
  });
});
