import { describe, expect, test } from "bun:test";
import type { MockEngineConfig } from "../../src/mock-engine/options.ts";
import { readStream } from "../support/chunked-stream.ts";
import { type LineFault, startFaultProxy } from "../support/fault-proxy.ts";
import { rawPost } from "../support/raw-client.ts";
import { startRouter } from "../support/router.ts";
import { startEngine } from "../mock-engine/started.ts";

const LIMIT_MS = 500;

/** A router before one engine behind a line, and one that nothing disturbs; or before the first alone. */
const start = async (engines: 1 | 2, pace: Partial<MockEngineConfig> = {}) => {
  const parts = new AsyncDisposableStack();
  const disturbed = parts.use(startEngine({ servedModelName: ["m"], ...pace }));
  const sound = parts.use(startEngine({ servedModelName: ["m"] }));
  const line = parts.use(await startFaultProxy(Number(new URL(disturbed.url).port)));
  const backends = [line.url, sound.url].slice(0, engines).map((url) => ({ url, models: ["m"] }));
  const router = parts.use(
    startRouter({
      backends,
      maxReroutes: 2,
      deadlines: { headMs: LIMIT_MS, firstChunkMs: LIMIT_MS, chunkIdleMs: LIMIT_MS },
    }),
  );
  return { line, router, [Symbol.asyncDispose]: async () => parts.disposeAsync() };
};

const request = (stream: boolean, index = 0): string =>
  rawPost(
    "/v1/completions",
    JSON.stringify({ model: "m", prompt: `x ${index}`, stream, max_tokens: 20, ignore_eos: true }),
    ["Connection: close"],
  );

const ask = async (url: string): Promise<number> => {
  const body = '{"model":"m","prompt":"x","max_tokens":3}';
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
  expect(await answer.text()).toContain('"choices"');
  return answer.status;
};

describe("a line to one of two engines", () => {
  test.each<[string, LineFault]>([
    ["refuses", { kind: "refuse" }],
    ["hangs", { kind: "hang" }],
    ["is closed before a byte", { kind: "fin", after: 0 }],
    ["is reset before a byte", { kind: "rst", after: 0 }],
    ["is closed in the head", { kind: "fin", after: 30 }],
    ["is reset in the body", { kind: "rst", after: 300 }],
    ["falls silent in the head", { kind: "silence", after: 30 }],
    ["falls silent in the body", { kind: "silence", after: 300 }],
    ["is half closed", { kind: "half-close", after: 30 }],
    ["carries garbage", { kind: "garbage", after: 0 }],
    ["is late", { kind: "delay", ms: 50 }],
    ["trickles", { kind: "trickle", bytes: 40, everyMs: 2 }],
  ])(
    "%s: every whole answer is served, and the line is used again when it is mended",
    async (_what, fault) => {
      await using given = await start(2);
      await given.line.disturb(fault);
      const statuses = [];
      for (let count = 0; count < 4; count += 1) statuses.push(await ask(given.router.url));
      expect(statuses).toEqual([200, 200, 200, 200]);
      await given.line.disturb(undefined);
      const before = given.line.connections();
      for (let count = 0; count < 4; count += 1) expect(await ask(given.router.url)).toBe(200);
      expect(given.line.connections()).toBeGreaterThan(before);
    },
  );
});

test("wherever a line breaks in a stream, the stream is whole or visibly not", async () => {
  // Events that come one by one: of those that a line has lost with all before them nothing is seen.
  await using given = await start(1, { timeScale: 1, decodeMs: 2, decodeMsPerSeq: 0 });
  const whole = await readStream(given.router.port, request(true));
  expect(whole).toMatchObject({ status: 200, isWhole: true });
  const seen = { whole: 0, broken: 0, refused: 0 };
  for (let after = 0; after < 6000; after += 53) {
    await given.line.disturb({ kind: after % 2 === 0 ? "fin" : "rst", after });
    const { status, body, isWhole } = await readStream(given.router.port, request(true, after));
    if (status !== 200) {
      expect(status).toBe(502);
      seen.refused += 1;
    } else if (isWhole) {
      expect(body).toEndWith("data: [DONE]\n\n");
      seen.whole += 1;
    } else {
      expect(body).toMatch(/\n\ndata: \{"error":\{[^\n]*"code":"upstream_[^\n]*\n\n$/);
      seen.broken += 1;
    }
  }
  console.info(`a line broken at every 53rd byte: ${JSON.stringify(seen)}`);
  expect(seen.refused).toBeGreaterThan(0);
  expect(seen.broken).toBeGreaterThan(0);
}, 60_000);
