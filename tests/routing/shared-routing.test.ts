import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createPolicy, routingBy, type RoutingLogic } from "../../src/routing/index.ts";
import type { Candidates, PolicyDeps, SinglePlan } from "../../src/routing/policy.ts";
import { allocateRouting, buryRouting, clearRouting, joinRouting } from "../../src/routing/shared-routing.ts";
import { candidatesAt, requestWith } from "../support/candidates.ts";
import { singlePlan } from "../support/single-plan.ts";
import { inThreads } from "../support/threads.ts";
import { promptAt } from "./planned.ts";
import type { RoutingWork } from "./routing-thread.ts";

const ROWS = 3;
const URLS = ["http://a", "http://b", "http://c"];

/** The same policy in several threads, and once alone; each has arrays of candidates of its own. */
const start = (logic: RoutingLogic) => {
  const memory = allocateRouting({ rows: ROWS, slots: 8 });
  const slots = new Map(candidatesAt(URLS).map(({ endpoint }, index) => [endpoint.id, index]));
  const create = (shared: Omit<PolicyDeps, "random"> = {}) => {
    const policy = createPolicy(routingBy(logic), { random: () => 0.5, ...shared });
    const all = candidatesAt(URLS);
    const plan = (request = requestWith(), candidates: Candidates = all): SinglePlan => {
      const planned = policy.plan(request, candidates);
      if (planned instanceof Promise) throw new Error(`${logic} takes its time`);
      return singlePlan(planned);
    };
    return {
      plan,
      all,
      keepOnly: policy.keepOnly,
      explain: (request = requestWith(), candidates: Candidates = all) =>
        policy.explain?.(request, candidates),
    };
  };
  const seat = (row: number) => ({ row, slotOf: (id: string) => slots.get(id) });
  const threads = Array.from({ length: ROWS }, (_, row) => create(joinRouting(memory, seat(row))));
  const at = (row: number) => threads[row] ?? create();
  return { memory, slots, at, alone: create(), urlAt: (row: number) => at(row).plan().endpoint.url };
};

describe("turns that several threads share", () => {
  test("are taken once each, whoever takes them", () => {
    const { urlAt } = start("roundrobin");
    expect([0, 1, 1, 2, 0, 2, 1].map(urlAt)).toEqual([...URLS, ...URLS, "http://a"]);
  });

  test("are those of a set of engines, in whatever order each thread knows it", () => {
    const { at } = start("roundrobin");
    const of = (row: number, ...urls: readonly string[]) =>
      at(row).plan(requestWith(), candidatesAt(urls)).endpoint.url;
    expect([of(0, "http://b", "http://a"), of(1, "http://a", "http://b")]).toEqual(["http://a", "http://b"]);
    expect(of(2, "http://a", "http://c")).toBe("http://a");
    expect(of(2, "http://a", "http://b")).toBe("http://a");
    expect(at(1).explain()?.plan).toMatchObject({ endpoint: { url: "http://a" } });
  });

  test("of more sets than there is room for are shared among some, and go round all the same", () => {
    const { at } = start("roundrobin");
    for (let set = 0; set < 1500; set += 1) {
      const urls = [`http://x${set}`, `http://y${set}`];
      const [one, two] = [candidatesAt(urls), candidatesAt(urls)];
      const first = at(0).plan(requestWith(), one).endpoint.url;
      const second = at(1).plan(requestWith(), two).endpoint.url;
      expect([first, second].sort()).toEqual(urls);
    }
  });
});

const step = fc.record({
  kind: fc.constantFrom("send", "send", "begin", "end", "end", "look"),
  row: fc.nat({ max: ROWS - 1 }),
  pick: fc.nat({ max: 1000 }),
  length: fc.nat({ max: 5000 }),
  isStream: fc.boolean(),
});

describe("books that several threads write", () => {
  test.each<RoutingLogic>(["leastload", "loadaware", "prefixaware", "cacheaware"])(
    "tell %s in each of them the work that one would know that had all requests",
    (logic) => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
          const { at, alone } = start(logic);
          const open: { watchers: (SinglePlan["watcher"] | undefined)[]; phase: string }[] = [];
          for (const { kind, row, pick, length, isStream } of steps) {
            const sent = open[pick % Math.max(1, open.length)];
            if (kind === "send") {
              // No two prompts begin alike: what caches hold each thread knows for itself.
              const prompt = String.fromCharCode(1000 + open.length).repeat(length);
              const request = requestWith({ body: { prompt, stream: isStream }, at: pick });
              const url = at(row).plan(request).endpoint.url;
              const watchers = [at(row), alone].map(({ plan, all }) => {
                const only = all.find(({ endpoint }) => endpoint.url === url);
                if (!only) throw new Error(`no ${url}`);
                return plan(request, [only]).watcher;
              });
              for (const watcher of watchers) watcher?.began();
              open.push({ watchers, phase: "sent" });
            } else if (sent && kind === "begin" && sent.phase === "sent") {
              sent.phase = "begun";
              for (const watcher of sent.watchers) watcher?.streamBegan(1);
            } else if (sent && kind === "end" && sent.phase !== "over") {
              for (const watcher of sent.watchers) watcher?.ended("failed", 1, sent.phase === "begun");
              sent.phase = "over";
            } else {
              const work = (who: typeof alone) =>
                who.explain()?.standings?.map(({ waiting, waitingTokens, decoding }) => ({
                  waiting,
                  waitingTokens,
                  decoding,
                }));
              expect(work(at(row))).toEqual(work(alone));
            }
          }
          for (const { watchers, phase } of open) {
            if (phase !== "over")
              for (const watcher of watchers) watcher?.ended("done", 1, phase === "begun");
          }
          for (let row = 0; row < ROWS; row += 1) {
            for (const standing of at(row).explain()?.standings ?? []) {
              expect(standing).toMatchObject({ waiting: 0, waitingTokens: 0, decoding: 0 });
            }
          }
        }),
        { numRuns: 50 },
      );
    },
  );

  test("lead a request away from the engine that another thread has busy, and back when that thread dies", () => {
    const { at, memory } = start("leastload");
    for (let request = 0; request < 30; request += 1)
      at(1)
        .plan(promptAt("x".repeat(400)))
        .watcher?.began();
    const standings = () =>
      at(2)
        .explain()
        ?.standings?.map(({ waiting }) => waiting);
    expect(standings()).toEqual([10, 10, 10]);
    at(2)
      .plan(promptAt("y".repeat(40_000)))
      .watcher?.began();
    const busy = standings()?.indexOf(11);
    expect(at(0).plan(promptAt("z")).endpoint.url).not.toBe(URLS[busy ?? 0]);
    buryRouting(memory, 1);
    expect(standings()?.toSorted()).toEqual([0, 0, 1]);
  });

  test("know how long an engine has been silent, whoever heard of it last", () => {
    const { at } = start("cacheaware");
    const request = (time: number) => promptAt("x".repeat(400), time);
    const only = candidatesAt(["http://a"]);
    const [one, other] = [at(0).plan(request(0), only), at(1).plan(request(0), only)];
    one.watcher?.began();
    other.watcher?.began();
    other.watcher?.streamBegan(60_000);
    const costAt = (time: number) => at(2).explain(request(time))?.standings?.[0]?.cost ?? Number.NaN;
    expect(costAt(60_000)).toBeLessThan(10_000);
    // It has been silent for that long since.
    expect(costAt(120_000)).toBeGreaterThan(50_000);
    one.watcher?.streamBegan(120_000);
    expect(costAt(120_000)).toBeLessThan(10_000);
  });

  test("tell each thread how busy all of them have the fleet", () => {
    const costs = (threads: readonly number[]): number => {
      const { at } = start("cacheaware");
      for (const row of threads) {
        for (let time = 0; time < 20_000; time += 20) at(row).plan(promptAt(`${row}`.repeat(4000), time));
      }
      return at(2).explain(promptAt("y".repeat(4000), 20_000))?.standings?.[0]?.cost ?? Number.NaN;
    };
    expect(costs([0])).toBeGreaterThan(costs([]));
    expect(costs([0, 1])).toBeGreaterThan(costs([0]));
  });

  test("know again what an engine holds that was gone, although a thread did not see it go", () => {
    const { at } = start("cacheaware");
    const prompt = promptAt("x".repeat(4000));
    const matchedBy = (row: number): number =>
      at(row).explain(prompt, candidatesAt(["http://a"]))?.standings?.[0]?.matchedTokens ?? 0;
    const send = (row: number): void => {
      at(row)
        .plan(prompt, candidatesAt(["http://a"]))
        .watcher?.began();
    };
    send(1);
    expect(Math.min(matchedBy(0), matchedBy(2))).toBeGreaterThan(800);
    at(0).keepOnly?.(new Set());
    expect(matchedBy(1)).toBe(0);
    send(1);
    expect([matchedBy(1), matchedBy(2)].every((tokens) => tokens > 800)).toBe(true);
  });

  test("begin anew with an engine that has another slot", () => {
    const { at, slots, memory } = start("leastload");
    const watcher = at(1).plan(promptAt("x".repeat(400))).watcher;
    watcher?.began();
    const standings = (row: number) =>
      at(row)
        .explain()
        ?.standings?.map(({ waiting }) => waiting)
        .reduce((sum, count) => sum + count, 0);
    expect(standings(0)).toBe(1);
    for (const [index, { endpoint }] of candidatesAt(URLS).entries()) slots.set(endpoint.id, 5 + index);
    for (let row = 0; row < ROWS; row += 1) at(row).keepOnly?.(new Set());
    expect([standings(0), standings(1)]).toEqual([0, 0]);
    watcher?.ended("done", 1, false);
    expect([standings(0), standings(1)]).toEqual([0, 0]);
    for (const slot of [0, 1, 2]) clearRouting(memory, slot);
  });
});

test("threads that route at once take every turn once, and leave no work but that of one that died", async () => {
  const threads = 2;
  const memory = allocateRouting({ rows: threads + 1, slots: 8 });
  const barrier = new Int32Array(new SharedArrayBuffer(4));
  const requests = 9000;
  const work = (row: number, left: number): RoutingWork => ({
    memory,
    row,
    threads,
    barrier,
    urls: URLS,
    requests,
    left,
  });
  const routed = await inThreads(new URL("routing-thread.ts", import.meta.url), [work(1, 0), work(2, 4)]);
  const counts = routed as readonly ReadonlyMap<string, number>[];
  const totals = URLS.map((url) => counts.reduce((sum, count) => sum + (count.get(url) ?? 0), 0));
  expect(totals).toEqual(URLS.map(() => (threads * requests) / URLS.length));

  const ids = candidatesAt(URLS).map(({ endpoint }) => endpoint.id);
  const shared = joinRouting(memory, { row: 0, slotOf: (id) => ids.indexOf(id) });
  const policy = createPolicy(routingBy("cacheaware"), { random: () => 0.5, ...shared });
  const waiting = () =>
    policy
      .explain?.(requestWith(), candidatesAt(URLS))
      .standings?.reduce((sum, standing) => sum + standing.waiting + standing.decoding, 0);
  expect(waiting()).toBe(4);
  buryRouting(memory, 2);
  expect(waiting()).toBe(0);
});
