import { describe, expect, test } from "bun:test";
import type { SchedulerConfig } from "../../src/mock-engine/scheduler.ts";
import type { RoutingPolicy } from "../../src/routing/policy.ts";
import { createPolicy, routingBy } from "../../src/routing/index.ts";
import { parseFaults } from "../../src/simulate/fault-events.ts";
import type { FleetView } from "../../src/simulate/fleet-view.ts";
import { type Scenario, simulate } from "../../src/simulate/simulation.ts";
import { workloads } from "../../src/simulate/workloads/catalog.ts";
import { replay } from "../../src/simulate/workloads/trace.ts";
import type { Workload, WorkloadRequest } from "../../src/simulate/workloads/workload.ts";
import { config } from "../mock-engine/virtual-time.ts";

const roundRobin = () => createPolicy(routingBy("roundrobin"), { random: () => 0 });

const fleetOf = (count: number, given: Partial<SchedulerConfig> = {}): readonly SchedulerConfig[] =>
  Array.from({ length: count }, () => ({ ...config, ...given }));

let ticks = 0;
const run = async (given: Partial<Scenario> & Pick<Scenario, "workload">, signal?: AbortSignal) =>
  simulate(
    { engines: fleetOf(2), faults: [], ttftLimitMs: 2000, createPolicy: roundRobin, ...given },
    { monotonic: () => (ticks += 1), signal },
  );

/** Requests of 800 tokens and 11 tokens of answer, at the given times. */
const requestsAt = (...times: readonly number[]): Workload =>
  replay(
    times.map((atMs, index) => ({
      atMs,
      prompt: [{ id: index + 1, tokens: 800 }],
      promptTokens: 800,
      outputTokens: 11,
    })),
    { rate: 1 },
  );

const generated = (name: string, requests: number, seed = 1): Workload => {
  const found = workloads.find((workload) => workload.name === name);
  if (!found) throw new Error(`no ${name}`);
  return found.create({ requests, rate: 1, engines: 2, seed });
};

/** Every request goes to the first engine. */
const first: RoutingPolicy = {
  plan: (_request, [{ endpoint }]) => ({ endpoint, kind: "single", rule: "load", reason: "first" }),
};

describe("a simulation", () => {
  test("measures what a request and its tokens take", async () => {
    const measures = await run({ workload: requestsAt(0), engines: fleetOf(1), ttftLimitMs: 100 });
    expect(measures).toMatchObject({ requests: 1, finished: 1, failed: 0, goodput: 1, imbalance: 1 });
    expect(measures.ttftMeanMs).toBeCloseTo(100);
    expect(measures.interTokenMeanMs).toBeCloseTo(6.35);
    expect(measures.interTokenP99Ms / 6.35).toBeCloseTo(1, 1);
    expect(measures.endToEndP99Ms).toBeCloseTo(100 + 63.5);
    expect(measures.outputTokensPerSecond).toBeCloseTo(11_000 / 163.5);
    expect(measures.decisionMicroseconds).toBe(1000);
  });

  test("counts a first token that is late against goodput", async () => {
    expect(await run({ workload: requestsAt(0, 1), engines: fleetOf(1), ttftLimitMs: 150 })).toMatchObject({
      finished: 2,
      goodput: 0.5,
    });
  });

  test.each(workloads.map(({ name }) => name))(
    "of %s is the same each time, and every request ends",
    async (name) => {
      const [one, other] = [
        await run({ workload: generated(name, 300) }),
        await run({ workload: generated(name, 300) }),
      ];
      expect({ ...one, decisionMicroseconds: 0 }).toEqual({ ...other, decisionMicroseconds: 0 });
      expect([one.requests, one.finished, one.failed, one.refused]).toEqual([300, 300, 0, 0]);
      expect(one.hitRate).toBeLessThanOrEqual(one.hitRateMaximum + 1e-9);
      const another = await run({ workload: generated(name, 300, 2) });
      expect(another.ttftMeanMs).not.toBe(one.ttftMeanMs);
    },
  );

  test("finds in the caches all that there is to find when one engine holds everything", async () => {
    const workload = generated("multi-round", 200);
    const { hitRate, hitRateMaximum } = await run({
      workload,
      engines: fleetOf(1, { numGpuBlocks: 200_000 }),
    });
    expect(hitRateMaximum).toBeGreaterThan(0.5);
    expect(hitRate).toBeCloseTo(hitRateMaximum, 2);
  });

  test("lets the user of a closed loop wait for an answer, think, and send all that was said", async () => {
    const asked: WorkloadRequest[] = [];
    const endedAt: number[] = [];
    const workload: Workload = {
      arrivals: [
        { atMs: 5, prompt: [{ id: 1, tokens: 160 }], promptTokens: 160, outputTokens: 16, answerId: 2 },
      ],
      next: (request, endedAtMs) => {
        asked.push(request);
        endedAt.push(endedAtMs);
        if (asked.length > 1) return undefined;
        const prompt = [...request.prompt, { id: 2, tokens: 16 }, { id: 3, tokens: 16 }];
        return { atMs: endedAtMs + 1000, prompt, promptTokens: 192, outputTokens: 16, answerId: 4 };
      },
    };
    const measures = await run({ workload, engines: fleetOf(1) });
    expect(measures.finished).toBe(2);
    expect(endedAt[0]).toBeCloseTo(5 + 20 + 15 * 6.35);
    expect(asked[1]?.atMs).toBe((endedAt[0] ?? 0) + 1000);
    // The answer's last token is known, but never computed: its block is not full.
    expect(measures.hitRate).toBeCloseTo(160 / 352);
    expect(measures.hitRateMaximum).toBeCloseTo(176 / 352);
  });

  test("tells a policy through its watcher what the router's ticket would tell", async () => {
    const told: unknown[] = [];
    const policy: RoutingPolicy = {
      plan: (request, [{ endpoint, requests }]) => ({
        endpoint,
        kind: "single",
        rule: "load",
        reason: "watched",
        watcher: {
          began: () => told.push(["began", request.at, requests.inPrefill]),
          streamBegan: (elapsedMs) => told.push(["first", elapsedMs, requests.inDecode]),
          tokens: (usage) => told.push(usage),
          ended: (outcome, elapsedMs) => told.push([outcome, Math.round(elapsedMs), requests.inDecode]),
        },
      }),
      keepOnly: (ids) => told.push([...ids]),
    };
    await run({ workload: requestsAt(0), engines: fleetOf(1), createPolicy: () => policy });
    expect(told).toEqual([
      ["engine-1"],
      ["began", 0, 1],
      ["first", 100, 1],
      { input: 800, output: 11, cached: 0 },
      ["done", 164, 0],
    ]);
  });

  test("shows a policy the prompt as bytes and the session as a header", async () => {
    const seen: unknown[] = [];
    const policy: RoutingPolicy = {
      plan: (request, [{ endpoint }]) => {
        seen.push(request.prompt()?.bytes.length, request.headers.get("x-session-id"));
        return { endpoint, kind: "single", rule: "load", reason: "seen" };
      },
    };
    const prompt = [{ id: 1, tokens: 10 }];
    const arrivals = [{ atMs: 0, prompt, promptTokens: 10, outputTokens: 1, session: "user-7" }];
    await run({ workload: { arrivals }, createPolicy: () => policy });
    expect(seen).toEqual([40, "user-7"]);
  });

  test("shows what engines say of themselves as the scraper saw it last, not as it is", async () => {
    const seen: unknown[] = [];
    const policy: RoutingPolicy = {
      plan: (_request, [{ endpoint, engine }]) => {
        seen.push(engine?.prefixCacheQueries);
        return { endpoint, kind: "single", rule: "load", reason: "seen" };
      },
    };
    await run({ workload: requestsAt(0, 9000, 11_000), createPolicy: () => policy });
    expect(seen).toEqual([0, 0, 1600]);
  });

  test("waits for a policy that takes its time", async () => {
    const slow: RoutingPolicy = {
      plan: async (_request, [, other]) => ({
        endpoint: other?.endpoint ?? { id: "", url: "", models: [], addedAt: 0 },
        kind: "single",
        rule: "load",
        reason: "late",
      }),
    };
    expect(await run({ workload: requestsAt(0, 1, 2), createPolicy: () => slow })).toMatchObject({
      finished: 3,
      imbalance: 2,
    });
  });

  test("ends with an error when it is told to", async () => {
    const stop = new AbortController();
    const plan: RoutingPolicy["plan"] = (request, candidates) => {
      if (request.at > 10_000) stop.abort(new Error("enough"));
      return first.plan(request, candidates);
    };
    const running = run(
      { workload: generated("uniform", 100_000), createPolicy: () => ({ plan }) },
      stop.signal,
    );
    const error: unknown = await running.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ message: "enough" });
  });
});

describe("faults", () => {
  const at = (text: string) => parseFaults(text, 2, config);

  test("requests of an engine that dies go elsewhere when no token of theirs has come, and are lost when one has", async () => {
    const measures = await run({
      workload: requestsAt(0, 110),
      createPolicy: () => first,
      faults: at("die:1@0.12"),
    });
    expect(measures).toMatchObject({ requests: 2, finished: 1, failed: 1 });
    // 10 ms on the engine that died, then all of it on the other one.
    expect(measures.ttftMeanMs).toBeCloseTo(10 + 100);
  });

  test("a request fails where no engine is left", async () => {
    expect(await run({ workload: requestsAt(0, 1000), faults: at("die:1@0.5,die:2@0.5") })).toMatchObject({
      finished: 1,
      failed: 1,
      goodput: 0.5,
    });
  });

  test("an engine that is back gets requests again, and so does one that joins", async () => {
    const chosen: string[] = [];
    const policy: RoutingPolicy = {
      plan: (_request, candidates) => {
        const last = candidates.at(-1) ?? candidates[0];
        chosen.push(last.endpoint.id);
        return { endpoint: last.endpoint, kind: "single", rule: "load", reason: "last" };
      },
    };
    await run({
      workload: requestsAt(500, 1500, 2500, 3500),
      createPolicy: () => policy,
      faults: at("die:2@1-2,join:fast@3"),
    });
    expect(chosen).toEqual(["engine-2", "engine-1", "engine-2", "engine-3"]);
  });

  test("an engine that is slow takes so many times as long", async () => {
    const measures = await run({
      workload: requestsAt(0, 1000),
      engines: fleetOf(1),
      faults: parseFaults("slow:1@0.9-2x3", 1, config),
    });
    expect(measures.ttftMeanMs).toBeCloseTo((100 + 300) / 2);
  });
});

test("the view tells who may see it what the engines hold and have to do", async () => {
  const seen: unknown[] = [];
  const createWatching = (view: FleetView): RoutingPolicy => ({
    plan: (_request, candidates) => {
      const [{ endpoint }] = candidates;
      seen.push([
        view.request().promptTokens,
        view.cachedTokens(endpoint.id),
        view.prefillTokens(endpoint.id),
        view.decoding(endpoint.id),
        view.usedBlocks(endpoint.id),
      ]);
      return { endpoint, kind: "single", rule: "load", reason: "watched" };
    },
  });
  const prompt = [{ id: 1, tokens: 800 }];
  const request = { prompt, promptTokens: 800, outputTokens: 11 };
  const arrivals = [0, 1, 120].map((atMs) => Object.assign({ atMs }, request));
  await run({ workload: { arrivals }, createPolicy: createWatching });
  expect(seen).toEqual([
    [800, 0, 0, 0, 0],
    // The first is all in the step under way, and no longer waits.
    [800, 784, 800, 0, 50],
    // 49 blocks that both share, and two more for each: the end of the prompt, and the answer.
    [800, 784, 0, 2, 53],
  ]);
});
