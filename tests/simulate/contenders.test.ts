import { describe, expect, test } from "bun:test";
import type { EngineStats } from "../../src/core/engine-stats.ts";
import type { SequenceSpec } from "../../src/mock-engine/sequence.ts";
import type { SinglePlan, RoutingPolicy } from "../../src/routing/policy.ts";
import { contenders } from "../../src/simulate/contenders/catalog.ts";
import type { Contender } from "../../src/simulate/contenders/contender.ts";
import { dynamo } from "../../src/simulate/contenders/dynamo.ts";
import { llmd, llmdSticky } from "../../src/simulate/contenders/llm-d.ts";
import { oracle } from "../../src/simulate/contenders/oracle.ts";
import { smgCacheAware } from "../../src/simulate/contenders/smg-cache-aware.ts";
import type { FleetView } from "../../src/simulate/fleet-view.ts";
import { createRandom } from "../../src/simulate/random.ts";
import { candidatesAt, requestWith } from "../support/candidates.ts";

const urls = ["http://a", "http://b", "http://c"];
const candidates = candidatesAt(urls);
const idOf = (url: string): string => `id of ${url}`;

/** What an engine is like; absent is idle and empty. */
interface State extends EngineStats {
  readonly cached?: number;
  readonly backlog?: number;
  readonly decoding?: number;
  readonly used?: number;
}

/** A contender on a fleet that the test describes, asked with prompts by the name of their blocks. */
const start = (contender: Contender) => {
  const states = new Map<string, State>();
  let request: SequenceSpec = { promptTokens: 0, outputTokens: 0, blockHashes: [] };
  const stateOf = (id: string): State => states.get(id) ?? {};
  const view: FleetView = {
    request: () => request,
    blockSize: 16,
    cachedTokens: (id) => stateOf(id).cached ?? 0,
    prefillTokens: (id) => stateOf(id).backlog ?? 0,
    prefillLeftMs: (id) => (stateOf(id).backlog ?? 0) / 8,
    prefillTokensPerSecond: () => 8000,
    decoding: (id) => stateOf(id).decoding ?? 0,
    usedBlocks: (id) => stateOf(id).used ?? 0,
    stats: stateOf,
  };
  const policy: RoutingPolicy = contender.create(view, createRandom(1));
  return {
    policy,
    set: (url: string, state: State) => states.set(idOf(url), state),
    ask: (blockHashes: readonly number[]): SinglePlan => {
      request = { promptTokens: 16 * blockHashes.length, outputTokens: 10, blockHashes };
      const plan = policy.plan(requestWith(), candidates);
      if (plan instanceof Promise) throw new Error("contenders decide at once");
      return plan;
    },
  };
};

const prompt = (name: number, blocks = 10): readonly number[] =>
  Array.from({ length: blocks }, (_, index) => name * 1000 + index);

/** The URLs that are chosen when every choice stays under way. */
const chosen = (plans: readonly SinglePlan[]): readonly string[] =>
  plans.map(({ endpoint, watcher }) => {
    watcher?.began();
    return endpoint.url;
  });

describe.each(contenders)("$name", (contender) => {
  test("uses every engine of an idle fleet for prompts that share nothing", () => {
    const { ask } = start(contender);
    const plans = Array.from({ length: 60 }, (_, name) => ask(prompt(name + 1)));
    expect(new Set(chosen(plans)).size).toBe(3);
  });

  test("chooses the same again with the same draws", () => {
    const run = () => {
      const { ask } = start(contender);
      return chosen(Array.from({ length: 30 }, (_, name) => ask(prompt((name % 5) + 1))));
    };
    expect(run()).toEqual(run());
  });
});

describe("SMG's cache_aware", () => {
  test("follows the longest prefix that is more than 30 % of the prompt", () => {
    const { ask } = start(smgCacheAware);
    const [first = ""] = chosen([ask(prompt(1))]);
    expect(ask([...prompt(1, 4), ...prompt(2, 6)]).endpoint.url).toBe(first);
    const [second] = chosen([ask([...prompt(1, 3), ...prompt(3, 7)])]);
    expect(second).not.toBe(first);
  });

  test("goes to the fewest requests once one engine has 64 more and half as many again", () => {
    const { ask } = start(smgCacheAware);
    const busy = Array.from({ length: 65 }, () => chosen([ask(prompt(1))])[0]);
    expect(new Set(busy).size).toBe(1);
    expect(ask(prompt(1)).endpoint.url).not.toBe(busy[0]);
  });
});

describe("llm-d's default scorers", () => {
  test("weigh a prefix against a queue, and let both go before free cache", () => {
    const { ask, set } = start(llmd);
    const [holder = ""] = chosen([ask(prompt(1))]);
    set(holder, { waiting: 9 });
    expect(ask(prompt(1)).endpoint.url).toBe(holder);
    set(holder, { waiting: 9, kvCacheUsage: 0.9 });
    expect(ask(prompt(1)).endpoint.url).not.toBe(holder);
  });

  test("look at the first 256 blocks only", () => {
    const { ask, set } = start(llmd);
    const [holder = ""] = chosen([ask(prompt(1, 300))]);
    set(holder, { waiting: 1 });
    const tailOfAnother = [...prompt(1, 256), ...prompt(2, 900)];
    expect(ask(tailOfAnother).endpoint.url).toBe(holder);
  });
});

describe("llm-d's sticky until saturated", () => {
  test("stays with an engine that holds 80 %", () => {
    const { ask } = start(llmdSticky);
    const [holder] = chosen([ask(prompt(1, 100))]);
    // 1,600 tokens that are all cached put no weight on it: only new ones do.
    const known = chosen(Array.from({ length: 20 }, () => ask(prompt(1, 100))));
    expect(known.filter((url) => url === holder).length).toBeGreaterThanOrEqual(18);
    expect(ask([...prompt(1, 80), ...prompt(2, 20)]).endpoint.url).toBe(holder ?? "");
  });

  test("leaves it once its first token would come 18 seconds later than elsewhere", () => {
    const { ask } = start(llmdSticky);
    const [holder] = chosen([ask(prompt(1, 8900))]);
    expect(ask(prompt(1)).endpoint.url).toBe(holder ?? "");
    const [other] = chosen([ask(prompt(2, 20_000))]);
    expect(other).not.toBe(holder);
    expect(ask(prompt(2)).endpoint.url).not.toBe(other);
  });

  test("forgets what engines held that are gone", () => {
    const { ask, policy } = start(llmdSticky);
    chosen([ask(prompt(1))]);
    policy.keepOnly?.(new Set());
    expect(ask(prompt(1)).rule).toBe("load");
  });
});

test("Dynamo adds what an engine would have to compute to what it holds for running requests", () => {
  const { ask, set } = start(dynamo);
  for (const url of urls) set(url, { used: 100 });
  set("http://b", { used: 108, cached: 144 });
  expect(ask(prompt(1)).endpoint.url).toBe("http://b");
  set("http://b", { used: 110, cached: 144 });
  expect(ask(prompt(1)).endpoint.url).not.toBe("http://b");
});

test("the oracle sees the cache, the queue and what others would have to wait", () => {
  const { ask, set } = start(oracle);
  for (const url of urls) set(url, { backlog: 800 });
  set("http://b", { backlog: 900, cached: 144 });
  expect(ask(prompt(1)).endpoint.url).toBe("http://b");
  set("http://b", { backlog: 1000, cached: 144 });
  expect(ask(prompt(1)).endpoint.url).not.toBe("http://b");
  for (const url of urls) set(url, { decoding: 50, cached: 16 });
  set("http://c", { decoding: 50, cached: 160 - 16 });
  expect(ask(prompt(1)).endpoint.url).toBe("http://c");
});
