import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type EngineProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../support/processes.ts";

/** The expression of the production stack's own end-to-end check, to the letter. */
const ROUTED = /Routing request ([^ ]*) with session id [^ ]* to ([^ ]*) at /;
const REQUESTS = 12;

let engines: readonly EngineProcess[];
beforeAll(async () => {
  const roles = ["prefill", "prefill", "decode", "decode"];
  engines = await Promise.all(
    roles.map(async (role) =>
      startEngineProcess(["--served-model-name=m", "--time-scale=0", `--role=${role}`]),
    ),
  );
}, 60_000);
afterAll(async () => {
  for (const engine of engines) await engine[Symbol.asyncDispose]();
});

test.each([
  ["disaggregated_prefill", 1],
  ["disaggregated_prefill_orchestrated", 1],
  ["disaggregated_prefill_orchestrated", 2],
])(
  "%s writes exactly two routing lines for each request, one for each side, with workers: %d",
  async (logic, workers) => {
    await using router = await startRouterProcess([
      ...staticArgs(engines.map(({ url }) => ["m", url])),
      "--static-model-labels=prefill,prefill,decode,decode",
      "--prefill-model-labels=prefill",
      "--decode-model-labels=decode",
      `--routing-logic=${logic}`,
      `--workers=${workers}`,
    ]);
    const ids = Array.from({ length: REQUESTS }, (_, index) => `request-${index}`);
    for (const [index, id] of ids.entries()) {
      const answer = await fetch(`${router.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-request-id": id },
        body: JSON.stringify({
          model: "m",
          messages: [{ role: "user", content: "Hello" }],
          stream: index % 2 === 0,
        }),
        keepalive: false,
      });
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining("chat.completion")]);
    }
    router.child.kill("SIGTERM");
    expect(await router.child.exited).toBe(0);

    const urls = new Map<string, string[]>(ids.map((id) => [id, []]));
    for (const line of (await router.child.text("stdout")).split("\n")) {
      const [, id = "", url = ""] = ROUTED.exec(line) ?? [];
      urls.get(id)?.push(url);
    }
    const sides = ["prefill", "prefill", "decode", "decode"];
    const sideOf = (url: string) => sides[engines.findIndex((engine) => engine.url === url)];
    expect([...urls.values()].map((pair) => pair.map(sideOf))).toEqual(ids.map(() => ["prefill", "decode"]));
  },
  60_000,
);
