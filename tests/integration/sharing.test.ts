import { expect, test } from "bun:test";
import { systemClock } from "../../src/platform.ts";
import { createLog } from "../../src/core/log.ts";
import { allocateSharing, bury, createMemorySlots, renewSharing } from "../../src/sharing.ts";
import { readExposition } from "../support/exposition.ts";
import { rawPost, type RawClient, sendRaw } from "../support/raw-client.ts";
import { rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { startRouter, type TestRouter } from "../support/router.ts";

type Options = Omit<Parameters<typeof startRouter>[0], "backends">;

/** Routers with memory in common, before engines that stream until a test ends an answer. */
const start = async ({ routers = 2, engines = 1 }, options: Options = {}) => {
  const parts = new AsyncDisposableStack();
  const ends: (() => void)[] = [];
  const started = await Promise.all(
    Array.from({ length: engines }, async () =>
      parts.use(
        await startRawEngine((socket) => {
          socket.write(STREAM_HEAD + rawChunk("data: 1\n\n"));
          ends.push(() => socket.write(`${rawChunk("data: [DONE]\n\n")}0\r\n\r\n`));
        }),
      ),
    ),
  );
  const memory = allocateSharing(routers + 1, options);
  const log = createLog({ level: "info", format: "text" }, { clock: systemClock, write: () => {} });
  const slots = createMemorySlots({ memory }, { log });
  let known: ReadonlyMap<string, number> = new Map();
  const backends = started.map(({ url }) => ({ url, models: ["m"] }));
  const at = Array.from({ length: routers }, (_, index) =>
    parts.use(
      startRouter({
        backends,
        ...options,
        sharing: { memory, seat: { row: index + 1, slotOf: (id) => known.get(id) } },
      }),
    ),
  );
  known = slots.see(at[0]?.router.view().endpoints ?? []);
  const send = ({ port }: TestRouter): RawClient =>
    parts.use(sendRaw(port, rawPost("/v1/completions", '{"model":"m"}')));
  return {
    memory,
    engines: started,
    at,
    send,
    end: (nth: number) => ends[nth]?.(),
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};

const scrape = async ({ url }: TestRouter) => readExposition(await (await fetch(`${url}/metrics`)).text());

test("each of several routers tells what all of them have under way, until one dies or all have ended", async () => {
  await using given = await start({});
  const [one, other] = given.at;
  if (!one || !other) throw new Error("there are two");
  const clients = [given.send(one), given.send(other), given.send(other)];
  for (const client of clients) await client.until(/data: 1/);
  const counts = async (router: TestRouter) => {
    const { value } = await scrape(router);
    return [value("vllm:num_decoding_requests"), value("vllm_router_requests_under_way")];
  };
  for (const router of given.at) expect(await counts(router)).toEqual([3, 3]);
  bury(given.memory, 2);
  for (const router of given.at) expect(await counts(router)).toEqual([1, 1]);
  given.end(0);
  await clients[0]?.until(/\r\n0\r\n\r\n$/);
  for (const router of given.at) expect(await counts(router)).toEqual([0, 0]);
});

test("a place that is given back in one router goes to who waits in another", async () => {
  const admission = { maxConcurrent: 2, queueSize: 1, queueTimeoutMs: 60_000 };
  await using given = await start({}, { admission });
  const [one, other] = given.at;
  if (!one || !other) throw new Error("there are two");
  for (const router of given.at) await given.send(router).until(/data: 1/);
  const waiting = given.send(other);
  while ((await scrape(one)).value("vllm_router_queue_depth") !== 1);
  expect(await given.send(one).until(/\}\}$/)).toMatch(/^HTTP\/1\.1 429 /);
  given.end(0);
  await waiting.until(/data: 1/);
  expect((await scrape(other)).value("vllm_router_requests_under_way")).toBe(2);
});

test("an engine has no more requests from all routers than it may", async () => {
  const admission = { maxConcurrent: 1000, maxPerEngine: 1, queueSize: 10, queueTimeoutMs: 60_000 };
  await using given = await start({ engines: 2 }, { admission });
  const [one, other] = given.at;
  if (!one || !other) throw new Error("there are two");
  for (const router of given.at) await given.send(router).until(/data: 1/);
  expect(given.engines.map(({ requests }) => requests.length)).toEqual([1, 1]);
  const waiting = given.send(other);
  while ((await scrape(one)).value("vllm_router_queue_depth") !== 1);
  given.end(0);
  await waiting.until(/data: 1/);
  expect(given.engines.flatMap(({ requests }) => requests)).toHaveLength(3);
});

test("requests to several routers go to the engines in turn", async () => {
  await using given = await start({ routers: 2, engines: 3 });
  for (let request = 0; request < 9; request += 1) {
    const router = given.at[(request >> 1) & 1];
    if (router) await given.send(router).until(/data: 1/);
    const counts = given.engines.map(({ requests }) => requests.length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  }
  expect(given.engines.map(({ requests }) => requests.length)).toEqual([3, 3, 3]);
});

test("an engine that is ejected for what one router saw is ejected in all", async () => {
  const breaker = { failureThreshold: 3, successThreshold: 1, ejectionMs: 60_000, windowMs: 30_000 };
  const outliers = { breaker, slowStartMs: 0, panicMode: "fail" } as const;
  await using given = await start({ engines: 2 }, { outliers, maxReroutes: 1 });
  const [one, other] = given.at;
  const [broken] = given.engines;
  if (!one || !other || !broken) throw new Error("there are two");
  await broken[Symbol.asyncDispose]();
  for (let request = 0; request < 6; request += 1) await given.send(one).until(/data: 1/);
  for (const router of given.at) {
    const { value } = await scrape(router);
    expect(value("vllm_router_engine_state", { server: broken.url, state: "ejected" })).toBe(1);
  }
  const ejections = await Promise.all(
    given.at.map(async (router) => (await scrape(router)).value("vllm_router_ejections_total")),
  );
  expect(ejections).toEqual([1, undefined]);
  for (let request = 0; request < 4; request += 1) await given.send(other).until(/data: 1/);
  expect(other.lines.filter((line) => line.includes(broken.url) && line.includes("failed"))).toEqual([]);
});

test("routers that judge engines otherwise than before begin anew with that, and go on with all else", () => {
  const breaker = { failureThreshold: 3, successThreshold: 1, ejectionMs: 60_000, windowMs: 30_000 };
  const outliers = { breaker, slowStartMs: 0, panicMode: "fail" } as const;
  const memory = allocateSharing(2, { outliers });
  expect(renewSharing(memory, { outliers }, { outliers: { ...outliers } })).toBe(memory);
  const other = { ...outliers, breaker: { ...breaker, failureThreshold: 50 } };
  const { court, ...kept } = renewSharing(memory, { outliers }, { outliers: other });
  expect(kept.ledger).toBe(memory.ledger);
  expect(kept.admission).toBe(memory.admission);
  expect(court.rows.cells).toBeGreaterThan(memory.court.rows.cells);
});
