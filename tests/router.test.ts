import { expect, test } from "bun:test";
import { createLog } from "../src/core/log.ts";
import type { Config } from "../src/config/config.ts";
import { engineFetch, engineReach, systemClock, systemRandom } from "../src/platform.ts";
import type { Routed } from "../src/proxy/forward.ts";
import { createRouter } from "../src/router.ts";
import { rawAnswer, startRawEngine } from "./support/raw-engine.ts";
import { routingBy } from "../src/routing/index.ts";

const configFor = (urls: readonly string[]): Config => ({
  server: { host: "127.0.0.1", port: 0, maxRequestBodyBytes: 1_000_000, idleTimeoutSeconds: 30 },
  leaving: { delayMs: 0, timeoutMs: 0 },
  log: { level: "info", format: "text" },
  discovery: { kind: "static", backends: urls.map((url) => ({ url, models: ["served"] })) },
  aliases: new Map([["alias", "served"]]),
  routing: routingBy("roundrobin"),
  maxReroutes: 1,
  requestStatsWindowSeconds: 60,
  countsStreams: false,
});

test("an observer is told of every choice: which engine, why, for which model and attempt", async () => {
  await using broken = await startRawEngine((socket) => socket.destroy());
  await using sound = await startRawEngine((socket) => socket.end(rawAnswer("{}")));
  const [first = "", second = ""] = [broken.url, sound.url].sort();
  const routed: Routed[] = [];
  const log = createLog({ level: "info", format: "text" }, { clock: systemClock, write: () => {} });
  const platform = {
    clock: systemClock,
    log,
    fetch: engineFetch,
    reach: engineReach,
    random: systemRandom,
    onRouted: (event: Routed) => routed.push(event),
  };
  await using router = createRouter(configFor([first, second]), platform);

  const ask = async (id: string) => {
    const body = JSON.stringify({ model: "alias", messages: [] });
    const headers = { "x-request-id": id, host: "router", "content-type": "application/json" };
    const request = new Request("http://router/v1/chat/completions", { method: "POST", headers, body });
    const response = await router.fetch(request, { timeout: () => {} });
    return response.text();
  };
  // Two requests in turn: one of them meets the broken engine first and is tried again on the sound one.
  expect([await ask("one"), await ask("two")]).toEqual(["{}", "{}"]);

  const shown = routed.map(({ requestId, model, attempt, endpoint, reason }) =>
    [requestId, model, attempt, endpoint.url, reason].join(" "),
  );
  const one = [`one served 1 ${first} turn 1 of 2`];
  const two = [`two served 1 ${second} turn 2 of 2`];
  const retry = (id: string) => `${id} served 2 ${sound.url} turn 1 of 1`;
  expect(shown).toEqual(
    first === broken.url ? [...one, retry("one"), ...two] : [...one, ...two, retry("two")],
  );
});
