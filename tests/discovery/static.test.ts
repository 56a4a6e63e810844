import { describe, expect, test } from "bun:test";
import type { Discovery } from "../../src/discovery/discovery.ts";
import { createStaticDiscovery, type StaticBackend } from "../../src/discovery/static.ts";
import { createTestClock, settle, type TestClock } from "../support/clock.ts";
import { createFakeEngines, createTestLog, hanging, serving } from "./engines.ts";

const A = "http://10.0.0.1:8000";
const B = "http://10.0.0.2:8000/prefix";

interface Given {
  readonly apiKey?: string;
  /** What engines do from the beginning; the others refuse. */
  readonly answers?: Readonly<Record<string, () => Response | Promise<Response>>>;
}

const start = (backends: readonly StaticBackend[], { apiKey, answers = {} }: Given = {}) => {
  const clock = createTestClock();
  const engines = createFakeEngines(clock);
  for (const [url, answer] of Object.entries(answers)) engines.answer(url, answer);
  const { log, lines } = createTestLog(clock);
  const discovery = createStaticDiscovery(backends, {
    clock,
    fetch: engines.fetch,
    log,
    random: () => 0.5,
    apiKey,
  });
  return { clock, engines, lines, discovery };
};

/** Lets time pass in small steps, so that every answer is dealt with at the time at which it comes. */
const pass = async (clock: TestClock, byMs: number): Promise<void> => {
  await settle();
  for (let passed = 0; passed < byMs; passed += 50) {
    clock.advance(Math.min(50, byMs - passed));
    await settle();
  }
};

const served = ({ endpoints }: Discovery) => endpoints.map(({ url, models }) => [url, ...models]);

describe("engines whose models are configured", () => {
  test("are there at once and are not asked", async () => {
    const { clock, engines, discovery } = start([
      { url: A, models: ["m", "n"] },
      { url: B, models: ["m"], label: "decode" },
    ]);
    await pass(clock, 100);
    expect(served(discovery)).toEqual([
      [A, "m", "n"],
      [B, "m"],
    ]);
    expect(discovery.endpoints[1]?.label).toBe("decode");
    expect(discovery.endpoints[0]?.addedAt).toBe(1_700_000_000);
    expect(engines.asks).toEqual([]);
    expect(clock.waiting()).toEqual([]);
    expect([discovery.hasSeen("n"), discovery.hasSeen("other")]).toEqual([true, false]);
  });
});

describe("an engine whose models are not configured", () => {
  test("joins when it has told them, with the cards as it gave them", async () => {
    const { clock, discovery, lines } = start([{ url: A }, { url: B, models: ["m"] }], {
      answers: { [A]: serving("m", "lora") },
    });
    expect(served(discovery)).toEqual([[B, "m"]]);
    await pass(clock, 0);
    expect(served(discovery)).toEqual([
      [A, "m", "lora"],
      [B, "m"],
    ]);
    expect(discovery.endpoints[0]?.cards?.[1]).toMatchObject({ id: "lora", max_model_len: 4096 });
    expect(discovery.hasSeen("lora")).toBe(true);
    expect(lines.filter((line) => line.includes(`Engine ${A} serves m, lora`))).toHaveLength(1);
  });

  test("is asked until it answers, ever more rarely, with one warning", async () => {
    const { clock, engines, lines } = start([{ url: A }]);
    await pass(clock, 36_000);
    expect(engines.asks.map(({ at }) => at)).toEqual([0, 250, 750, 1750, 3750, 7750, 15_750, 25_750, 35_750]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(
      `WARNING: Engine ${A} does not tell its models: no answer (ECONNREFUSED); asking again until it does`,
    );
    engines.answer(A, serving("m"));
    await pass(clock, 10_000 + 61_000);
    expect(engines.asks.slice(9).map(({ at }) => at)).toEqual([45_750, 75_750, 105_750]);
    expect(lines).toHaveLength(2);
  });

  test("is asked for /v1/models over a fresh connection, with the engines' key", async () => {
    const { clock, engines, lines } = start([{ url: B }], { apiKey: "secret" });
    await pass(clock, 300);
    const { url, request } = engines.asks[0] ?? {};
    expect([url, request?.method, request?.fresh]).toEqual([`${B}/v1/models`, "GET", true]);
    expect(request?.headers.get("authorization")).toBe("Bearer secret");
    expect(lines.join("")).not.toContain("secret");
  });

  test("keeps the models that it once told while it fails, and a new failure is a new warning", async () => {
    const { clock, engines, discovery, lines } = start([{ url: A }], { answers: { [A]: serving("m") } });
    await pass(clock, 100);
    const { endpoints } = discovery;
    engines.answer(A, () => new Response("no", { status: 503 }));
    await pass(clock, 40_000);
    expect(discovery.endpoints).toBe(endpoints);
    expect(lines.filter((line) => line.includes("WARNING"))).toHaveLength(1);
    expect(lines.join("")).toContain("/v1/models answered 503");
    engines.answer(A, serving("m"));
    await pass(clock, 40_000);
    engines.answer(A, hanging);
    await pass(clock, 40_000);
    expect(lines.filter((line) => line.includes("WARNING"))).toHaveLength(2);
    expect(discovery.endpoints).toBe(endpoints);
  });

  test("that tells the same as before is the same engine, although vLLM dates each card anew", async () => {
    const { clock, engines, discovery, lines } = start([{ url: A }], { answers: { [A]: serving("m", "n") } });
    await pass(clock, 100);
    const { endpoints } = discovery;
    await pass(clock, 95_000);
    expect(engines.asks).toHaveLength(4);
    expect(discovery.endpoints).toBe(endpoints);
    expect(lines).toHaveLength(1);
  });

  test("may gain and lose models; those that are gone have been seen", async () => {
    const { clock, engines, discovery } = start([{ url: A }], { answers: { [A]: serving("m") } });
    await pass(clock, 100);
    const { endpoints } = discovery;
    engines.answer(A, serving("m", "lora"));
    await pass(clock, 30_000);
    expect(served(discovery)).toEqual([[A, "m", "lora"]]);
    expect(endpoints.map(({ models }) => models)).toEqual([["m"]]);
    engines.answer(A, serving("m"));
    await pass(clock, 30_000);
    expect(served(discovery)).toEqual([[A, "m"]]);
    expect([discovery.hasSeen("m"), discovery.hasSeen("lora")]).toEqual([true, true]);
  });

  test("that tells no model at all has not answered", async () => {
    const { clock, engines, discovery, lines } = start([{ url: A }], { answers: { [A]: serving("m") } });
    await pass(clock, 100);
    engines.answer(A, serving());
    await pass(clock, 30_000);
    expect(served(discovery)).toEqual([[A, "m"]]);
    expect(lines.join("")).toContain(": /v1/models lists no model;");
  });

  test("that hangs is given up after 5 s and asked again, and keeps no other waiting", async () => {
    const { clock, engines, discovery, lines } = start([{ url: A }, { url: B }], {
      answers: { [A]: hanging, [B]: serving("m") },
    });
    await pass(clock, 100);
    expect(served(discovery)).toEqual([[B, "m"]]);
    await pass(clock, 4850);
    expect(engines.asks.filter(({ url }) => url.startsWith(A))).toHaveLength(1);
    await pass(clock, 300);
    const asked = engines.asks.filter(({ url }) => url.startsWith(A));
    expect(asked.map(({ at }) => at)).toEqual([0, 5250]);
    expect(asked[0]?.request.signal.aborted).toBe(true);
    expect(lines.join("")).toContain("no answer in 5000 ms");
  });
});

describe("stopping", () => {
  test("ends every timer and every question, and nothing is asked afterwards", async () => {
    const C = "http://10.0.0.3:8000";
    const { clock, engines, discovery, lines } = start([{ url: A }, { url: B }, { url: C }], {
      answers: { [A]: hanging, [B]: serving("m") },
    });
    await pass(clock, 300);
    const before = [...lines];
    const asked = engines.asks.length;
    await discovery[Symbol.asyncDispose]();
    expect(engines.asks.find(({ url }) => url.startsWith(A))?.request.signal.aborted).toBe(true);
    expect(clock.waiting()).toEqual([]);
    await pass(clock, 60_000);
    expect([engines.asks.length, lines]).toEqual([asked, before]);
  });

  test("is possible twice, and where nothing ever ran", async () => {
    const { discovery } = start([{ url: A, models: ["m"] }]);
    await discovery[Symbol.asyncDispose]();
    await discovery[Symbol.asyncDispose]();
    expect(served(discovery)).toEqual([[A, "m"]]);
  });
});

describe("the id of an engine", () => {
  const idOf = (backend: StaticBackend): string | undefined =>
    start([{ models: ["m"], ...backend }]).discovery.endpoints[0]?.id;

  test("is the same in every replica and release: the name-based UUID of its URL", () => {
    // Python: uuid.uuid5(uuid.NAMESPACE_URL, "http://10.0.0.1:8000")
    expect(idOf({ url: A })).toBe("1575ef2d-51e9-58d2-8f98-b71652d2c0ad");
    expect(idOf({ url: A, models: ["other"] })).toBe("1575ef2d-51e9-58d2-8f98-b71652d2c0ad");
  });

  test("differs by URL and by label", () => {
    const ids = [
      idOf({ url: A }),
      idOf({ url: B }),
      idOf({ url: A, label: "x" }),
      idOf({ url: A, label: "y" }),
    ];
    expect(new Set(ids).size).toBe(4);
  });

  test("survives its learning new models", async () => {
    const { clock, discovery } = start([{ url: A }], { answers: { [A]: serving("m") } });
    await pass(clock, 100);
    expect(discovery.endpoints[0]?.id).toBe("1575ef2d-51e9-58d2-8f98-b71652d2c0ad");
  });
});
