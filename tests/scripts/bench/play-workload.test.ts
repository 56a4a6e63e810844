import { describe, expect, test } from "bun:test";
import { playWorkload } from "../../../scripts/bench/play-workload.ts";
import { defaultMockEngineConfig } from "../../../src/mock-engine/options.ts";
import { createPolicy, routingBy } from "../../../src/routing/index.ts";
import { simulate } from "../../../src/simulate/simulation.ts";
import { multiRound } from "../../../src/simulate/workloads/multi-round.ts";
import { sharedPrefix } from "../../../src/simulate/workloads/shared-prefix.ts";
import { startEngine } from "../../mock-engine/started.ts";

const size = { requests: 24, rate: 1, engines: 1, seed: 1 };
const TIME_SCALE = 200;

describe("a workload played over HTTP", () => {
  test("sends every prompt at the length that it has, and finds in the cache what is common", async () => {
    await using engine = startEngine({ servedModelName: ["m"] });
    const { measures, errors } = await playWorkload(sharedPrefix.create(size), {
      url: engine.url,
      model: "m",
      timeScale: TIME_SCALE,
      ttftLimitMs: 1e9,
    });
    expect(errors).toEqual([]);
    expect(measures).toMatchObject({ requests: 24, finished: 24, goodput: 1 });
    expect(measures.hitRate).toBeGreaterThan(0.2);
    const sent = [...sharedPrefix.create(size).arrivals];
    const metrics = await (await fetch(`${engine.url}/metrics`)).text();
    const [, counted] = /^vllm:prompt_tokens_total\{.*\} ([\d.e+]+)$/m.exec(metrics) ?? [];
    expect(Number(counted)).toBe(sent.reduce((sum, { promptTokens }) => sum + promptTokens, 0));
  });

  test("goes on with the answers that came, so that the next round of a chat finds them", async () => {
    await using engine = startEngine({ servedModelName: ["m"] });
    const { measures, errors } = await playWorkload(multiRound.create({ ...size, engines: 0.1 }), {
      url: engine.url,
      model: "m",
      timeScale: 2000,
      ttftLimitMs: 1e9,
    });
    expect(errors).toEqual([]);
    expect(measures.finished).toBe(24);
    const simulated = await simulate(
      {
        workload: multiRound.create({ ...size, engines: 0.1 }),
        engines: [defaultMockEngineConfig()],
        faults: [],
        ttftLimitMs: 1e9,
        createPolicy: () => createPolicy(routingBy("roundrobin"), { random: () => 0 }),
      },
      { monotonic: () => 0 },
    );
    expect(Math.abs(measures.hitRate / simulated.hitRate - 1)).toBeLessThan(0.01);
    expect(measures.hitRate).toBeGreaterThan(0.7);
  });

  test("tells of answers that are none", async () => {
    using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("busy", { status: 503 }),
    });
    const target = { url: server.url.origin, model: "m", timeScale: TIME_SCALE, ttftLimitMs: 1 };
    const { measures, errors } = await playWorkload(sharedPrefix.create({ ...size, requests: 2 }), target);
    expect(measures).toMatchObject({ requests: 2, finished: 0, failed: 2 });
    expect(errors).toEqual(["Error: status 503: busy", "Error: status 503: busy"]);
  });
});
