import { describe, expect, test } from "bun:test";
import type { RouterError } from "../../src/core/errors.ts";
import { type Behaviour, bodyOf, events, failing, IDLE, start, whole } from "./started-forward.ts";

const saying =
  (status: number, body = "no", headers: Readonly<Record<string, string>> = {}): Behaviour =>
  async () =>
    new Response(body, { status, headers: { "content-length": String(body.length), ...headers } });

const textOf = async (answer: Response | RouterError): Promise<string> => new Response(bodyOf(answer)).text();

describe("an engine's answer", () => {
  test.each([500, 502, 503, 504])("of %p is replaced by another engine's", async (status) => {
    const { send, sent, load, lines } = start({ engines: [saying(status), whole], maxAttempts: 3 });
    expect(await send()).toHaveProperty("status", 200);
    expect(sent).toEqual(["e0", "e1"]);
    expect(load()).toEqual(IDLE);
    expect(lines.join("")).toContain(
      `WARNING: Request r-1 failed on http://e0 (attempt 1/3): The engine answered with status ${status}.`,
    );
  });

  test.each([400, 401, 404, 409, 413, 422, 501, 505])("of %p is passed on", async (status) => {
    const { send, sent } = start({ engines: [saying(status), whole], maxAttempts: 3 });
    expect(await send()).toHaveProperty("status", status);
    expect(sent).toEqual(["e0"]);
  });

  test.each([429, 500, 503])("of %p is passed on where no further attempts are allowed", async (status) => {
    const { send, sent } = start({ engines: [saying(status), whole], maxAttempts: 1 });
    expect(await send()).toHaveProperty("status", status);
    expect(sent).toEqual(["e0"]);
  });

  test("of 503 is passed on as it is where nothing better comes, whatever failed later", async () => {
    const busy = saying(503, "come later", { "retry-after": "7" });
    const { send, sent, load } = start({ engines: [busy, failing("ECONNREFUSED")], maxAttempts: 2 });
    const answer = await send();
    expect(sent).toEqual(["e0", "e1"]);
    expect(answer).toHaveProperty("status", 503);
    if (answer instanceof Response) {
      expect(answer.headers.get("retry-after")).toBe("7");
      expect(answer.headers.get("x-should-retry")).toBeNull();
    }
    expect(await textOf(answer)).toBe("come later");
    expect(load()).toEqual(IDLE);
  });

  test("of 503 that names no time may be asked for again of the same engine, after a moment", async () => {
    let turn = 0;
    const engine: Behaviour = async (signal) => ((turn += 1) === 1 ? saying(503) : whole)(signal);
    const once = start({ engines: [engine], maxAttempts: 3 });
    expect(await once.inTime(once.send())).toHaveProperty("status", 200);
    expect(once.sent).toEqual(["e0", "e0"]);
    const later = start({ engines: [saying(503, "no", { "retry-after": "1" })], maxAttempts: 3 });
    expect(await later.send()).toHaveProperty("status", 503);
    expect(later.sent).toEqual(["e0"]);
  });

  test("that may not be asked for twice is passed on", async () => {
    const { send, sent } = start({ engines: [saying(503), whole], maxAttempts: 3 });
    expect(await send(false)).toHaveProperty("status", 503);
    expect(sent).toEqual(["e0"]);
  });

  test.each<[string, readonly (number | undefined)[], readonly string[]]>([
    ["nobody is known to have room", [5, undefined, undefined], ["e0"]],
    ["others have queues", [5, 2, 1], ["e0"]],
    ["one has none", [5, 3, 0], ["e0", "e2"]],
  ])("of 429 is replaced only by an engine that has room: %s", async (_where, waiting, asked) => {
    const { send, sent } = start({ engines: [saying(429), whole, whole], maxAttempts: 3, waiting });
    expect(await send()).toHaveProperty("status", asked.length === 1 ? 429 : 200);
    expect(sent).toEqual([...asked]);
  });
});

describe("a request that breaks engines", () => {
  test.each<[string, Behaviour]>([
    ["by 500", saying(500)],
    ["by a crash", failing("ECONNRESET")],
    ["by an error at a stream's beginning", events(['data: {"error":{"code":500}}\n\n'])],
  ])("%s reaches no third one, and its client is told not to send it again", async (_how, engine) => {
    const { send, sent, load } = start({ engines: [engine, engine, whole], maxAttempts: 5 });
    const answer = await send();
    // The connection to each is made anew once.
    expect(new Set(sent)).toEqual(new Set(["e0", "e1"]));
    if (answer instanceof Response) expect(answer.headers.get("x-should-retry")).toBe("false");
    else expect(answer.isPointless).toBe(true);
    expect(load()).toEqual(IDLE);
  });

  test("and leaves no engine alive to be reached is a crash as well", async () => {
    let turn = 0;
    const dying = async () => failing((turn += 1) % 2 === 1 ? "ECONNRESET" : "ECONNREFUSED")();
    const { send, sent } = start({ engines: [dying, dying, whole], maxAttempts: 5 });
    expect(await send()).toMatchObject({ code: "upstream_reset", isPointless: true });
    expect(new Set(sent)).toEqual(new Set(["e0", "e1"]));
  });
});

test("a stream whose first event is an error has the status of that error", async () => {
  const { send, load } = start({
    engines: [events(['data: {"error":{"code":400}}\n\n', "data: [DONE]\n\n"])],
  });
  const answer = await send();
  expect(answer).toHaveProperty("status", 400);
  expect(await textOf(answer)).toBe('{"error":{"code":400}}');
  expect(load()).toEqual(IDLE);
});

test.each<[string, Behaviour]>([
  ["opens with a failure", events(['data: {"error":{"code":503}}\n\n'])],
  ["has no event", events([])],
])("a stream that %s is replaced by another engine's", async (_what, engine) => {
  const { send, sent } = start({ engines: [engine, whole], maxAttempts: 2 });
  expect(await send()).toHaveProperty("status", 200);
  expect(sent).toEqual(["e0", "e1"]);
});

describe("a request that no engine answers", () => {
  const refuses = failing("ECONNREFUSED");
  const crashes = failing("ECONNRESET");

  test("and none was reached for may be sent again, however little is left of the budget", async () => {
    const { send, sent } = start({ engines: [refuses, refuses, refuses], maxAttempts: 3 });
    for (let request = 0; request < 30; request += 1)
      expect(await send()).toMatchObject({ code: "upstream_unreachable", isPointless: false });
    // Of the first one, those that the budget allows in the same moment, and one of each that follows.
    expect(sent.length).toBeLessThanOrEqual(3 + 10 + 29);
  });

  test.each<[string, readonly Behaviour[]]>([
    ["before others were not reached", [crashes, refuses, refuses]],
    ["after others were not reached", [refuses, refuses, crashes]],
  ])("and one was lost with it, %s, was lost, since it may be why", async (_when, engines) => {
    const { send } = start({ engines, maxAttempts: 3 });
    expect(await send()).toHaveProperty("code", "upstream_reset");
  });
});

test("with the budget spent the engine's answer is passed on, and its client told not to add to the load", async () => {
  const { send, sent, clock } = start({ engines: [saying(503), saying(503)], maxAttempts: 2 });
  for (let request = 0; request < 10; request += 1) expect(await send()).toHaveProperty("status", 503);
  expect(sent).toHaveLength(20);
  const answer = await send();
  expect(sent).toHaveLength(21);
  if (answer instanceof Response) expect(answer.headers.get("x-should-retry")).toBe("false");
  clock.advance(10_500);
  await send();
  expect(sent).toHaveLength(23);
});
