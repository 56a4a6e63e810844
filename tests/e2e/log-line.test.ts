import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type EngineProcess,
  type RunningProcess,
  startEngineProcess,
  startRouterProcess,
  staticArgs,
} from "../support/processes.ts";

/** The expressions that the production stack's own end-to-end checks apply to a router's log, to the letter. */
const upstream = {
  routed: /Routing request.*to.*at.*process time/,
  endpoint: /Routing request ([^ ]*) with session id [^ ]* to ([^ ]*) at /,
  session: /Routing request [^ ]* with session id ([^ ]*) to ([^ ]*) at /,
} as const;

/** Nobody listens there. */
const DEAD = "http://127.0.0.1:9";

let engines: readonly [EngineProcess, EngineProcess];
beforeAll(async () => {
  const args = ["--served-model-name=m", "--time-scale=0"];
  engines = await Promise.all([startEngineProcess(args), startEngineProcess(args)]);
}, 60_000);
afterAll(async () => {
  for (const engine of engines) await engine[Symbol.asyncDispose]();
});

type Ask = (id: string, headers?: Readonly<Record<string, string>>) => Promise<number>;

/** What a router wrote to its two streams, to its end, while `use` asked it. */
const logOf = async (
  urls: readonly string[],
  args: readonly string[],
  use: (ask: Ask, router: RunningProcess) => Promise<void>,
) => {
  await using router = await startRouterProcess([...staticArgs(urls.map((url) => ["m", url])), ...args]);
  const ask: Ask = async (id, headers = {}) => {
    const body = JSON.stringify({ model: "m", prompt: "Hello", max_tokens: 1 });
    const answer = await fetch(`${router.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": id, ...headers },
      body,
    });
    await answer.text();
    return answer.status;
  };
  await use(ask, router);
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  const lines = async (stream: "stdout" | "stderr") =>
    (await router.child.text(stream)).split("\n").filter((line) => line !== "");
  return { stdout: await lines("stdout"), stderr: await lines("stderr") };
};

const urls = (): readonly string[] => engines.map(({ url }) => url);

describe("the routing line", () => {
  test("matches the expressions of those who read it, once for each request", async () => {
    const ids = ["one", "two", "three", "four"];
    const { stdout, stderr } = await logOf(urls(), ["--routing-logic=roundrobin"], async (ask) => {
      for (const id of ids) expect(await ask(id)).toBe(200);
    });
    const routed = stdout.filter((line) => upstream.routed.test(line));
    const sorted = [...urls()].sort();
    expect(routed.map((line) => upstream.endpoint.exec(line)?.slice(1))).toEqual(
      ids.map((id, index) => [id, sorted[index % 2] ?? ""]),
    );
    expect(routed.map((line) => upstream.session.exec(line)?.[1])).toEqual(ids.map(() => "None"));
    // The stress check counts the requests of an engine in this way.
    for (const url of urls()) expect(stdout.filter((line) => line.includes(`to ${url}`))).toHaveLength(2);
    expect(stderr).toEqual([]);
  });

  test("has exactly this shape, with the time as seconds", async () => {
    const from = Date.now() / 1000;
    const { stdout } = await logOf(
      urls(),
      ["--routing-logic=roundrobin"],
      async (ask) => void (await ask("id")),
    );
    const line = stdout.find((text) => upstream.routed.test(text)) ?? "";
    const [, level, epoch, took] =
      /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] ([A-Z]+): Routing request id with session id None to http:\/\/127\.0\.0\.1:\d+ at (\d+(?:\.\d+)?), process time = (\d+\.\d{4}) \(vllm_router\)$/.exec(
        line,
      ) ?? [];
    expect(level).toBe("INFO");
    expect(Number(epoch)).toBeGreaterThanOrEqual(Math.floor(from));
    expect(Number(epoch)).toBeLessThanOrEqual(Date.now() / 1000);
    expect(Number(took)).toBeLessThan(1);
  });

  test("names the session, which keeps its engine", async () => {
    const { stdout } = await logOf(
      urls(),
      ["--routing-logic=session", "--session-key=x-user-id"],
      async (ask) => {
        for (const user of ["alice", "bob", "alice", "alice"])
          await ask(`for-${user}`, { "x-user-id": user });
        await ask("for-nobody");
        await ask("forger", { "x-user-id": "a b to http://x at 1" });
      },
    );
    const sessions = stdout.flatMap((line) => {
      const [, session = "", url = ""] = upstream.session.exec(line) ?? [];
      return session === "" ? [] : [{ session, url }];
    });
    expect(sessions.map(({ session }) => session)).toEqual([
      "alice",
      "bob",
      "alice",
      "alice",
      "None",
      "a%20b%20to%20http://x%20at%201",
    ]);
    const hers = sessions.filter(({ session }) => session === "alice").map(({ url }) => url);
    expect(new Set(hers).size).toBe(1);
    for (const { url } of sessions) expect(urls()).toContain(url);
  });

  test("has no session under another logic, even with a session key", async () => {
    const args = ["--routing-logic=roundrobin", "--session-key=x-user-id"];
    const { stdout } = await logOf(
      urls(),
      args,
      async (ask) => void (await ask("id", { "x-user-id": "alice" })),
    );
    expect(stdout.flatMap((line) => upstream.session.exec(line)?.[1] ?? [])).toEqual(["None"]);
  });

  test("of a control call has no session part", async () => {
    const { stdout } = await logOf(urls(), ["--routing-logic=roundrobin"], async (_ask, { url }) => {
      const cards = (await (await fetch(`${url}/engines`)).json()) as readonly { engine_id: string }[];
      const headers = { "x-request-id": "asleep" };
      const answer = await fetch(`${url}/is_sleeping?id=${cards[0]?.engine_id}`, { headers });
      expect(answer.status).toBe(200);
    });
    const routed = stdout.filter((line) => upstream.routed.test(line));
    expect(routed).toHaveLength(1);
    expect(routed[0]).toMatch(/Routing request asleep to \S+ at \d+(?:\.\d+)?, process time = \d+\.\d{4}/);
  });
});

test("information goes to stdout, a warning to stderr: a reroute writes both", async () => {
  const [, engine] = engines;
  const args = ["--routing-logic=roundrobin", "--max-instance-failover-reroute-attempts=1"];
  const { stdout, stderr: warnings } = await logOf([DEAD, engine.url], args, async (ask) => {
    // Two requests in turn: one of them comes to the dead engine first.
    expect([await ask("first"), await ask("second")]).toEqual([200, 200]);
  });
  // The dead engine does not tell its metrics either.
  const stderr = warnings.filter((line) => !line.includes("ERROR: Failed to scrape metrics from"));
  expect(stderr).toHaveLength(1);
  expect(stderr[0]).toMatch(
    /^\[.*\] WARNING: Request (?:first|second) failed on http:\/\/127\.0\.0\.1:9 \(attempt 1\/2\): .+ \(vllm_router\)$/,
  );
  expect(stdout.filter((line) => line.includes("] INFO: "))).toHaveLength(stdout.length);
  const again = stdout.filter((line) => line.includes("(attempt "));
  expect(again).toHaveLength(1);
  expect(again[0]).toMatch(
    / INFO: Routing request (?:first|second) to \S+ \(attempt 2\/2\) \(vllm_router\)$/,
  );
  expect(again[0]).toContain(` to ${engine.url} `);
});
