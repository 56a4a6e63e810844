import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RouterError } from "../../src/core/errors.ts";
import type { RoutingPolicy } from "../../src/routing/policy.ts";
import { settle } from "../support/clock.ts";
import {
  type Behaviour,
  codeError,
  stream,
  events,
  whole,
  failing,
  start,
  IDLE,
  bodyOf,
  putOnWire,
} from "./started-forward.ts";

describe("a request that is under way", () => {
  test("counts as prefill until its engine answers, then as decode, and no more once it has ended", async () => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<Response>();
    const { send, load } = start({ engines: [async () => answered] });
    const response = send();
    await settle();
    expect(load()).toEqual({ inPrefill: 1, inDecode: 0, silences: 1 });
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const engine = writable.getWriter();
    void engine.write(Buffer.from("data: 1\n\n"));
    answer(new Response(readable, { headers: { "content-type": "text/event-stream" } }));
    await using wire = await putOnWire(await response);
    await wire.client.until(/data: 1/);
    expect(load()).toEqual({ inPrefill: 0, inDecode: 1, silences: 1 });
    void engine.write(Buffer.from("data: [DONE]\n\n"));
    void engine.close();
    await wire.client.until(/\r\n0\r\n\r\n$/);
    expect(load()).toEqual(IDLE);
  });

  const ends: [string, Behaviour, (answer: Response | RouterError) => Promise<unknown>][] = [
    ["a whole answer", whole, async () => {}],
    ["an empty one", async () => new Response(null, { status: 204 }), async () => {}],
    [
      "an error of the engine",
      async () => new Response("no", { status: 503 }),
      async (answer) => new Response(bodyOf(answer)).text(),
    ],
    [
      "a stream to its end",
      events(["data: 1\n\n", "data: [DONE]\n\n"]),
      async (answer) => new Response(bodyOf(answer)).text(),
    ],
    ["a stream that its client cancels", events(["1"], "hangs"), async (answer) => bodyOf(answer).cancel()],
    ["no connection", failing("ECONNREFUSED"), async () => {}],
    ["a lost connection", failing("ECONNRESET"), async () => {}],
    ["a redirect", async () => new Response(null, { status: 302 }), async () => {}],
    ["a stream that breaks before its first chunk", events([], "breaks"), async () => {}],
  ];
  test.each(ends)("leaves nothing behind after %s", async (_what, engine, finish) => {
    const { send, load } = start({ engines: [engine] });
    await finish(await send());
    await settle();
    expect(load()).toEqual(IDLE);
  });

  test("leaves nothing behind, in whatever way many of them end at once", async () => {
    const behaviour = fc.constantFrom<Behaviour>(
      whole,
      events(["data: 1\n\n", "data: 2\n\n"]),
      events(["data: 1\n\n", "data: [DONE]\n\n"]),
      events(["data: 1\n\n"], "breaks"),
      events(["data: 1\n\n"], "hangs"),
      events([], "breaks"),
      failing("ECONNREFUSED"),
      failing("ECONNRESET"),
      async () => new Response("no", { status: 500 }),
      async () => new Response(null, { status: 302 }),
    );
    const use = fc.tuple(fc.nat({ max: 4 }), fc.boolean());
    await fc.assert(
      fc.asyncProperty(
        fc.array(behaviour, { minLength: 1, maxLength: 3 }),
        fc.array(use, { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 4 }),
        async (engines, uses, maxAttempts) => {
          const { clock, send, inTime, load } = start({ engines, maxAttempts });
          const bodies = uses.map(async ([reads, isReplaySafe]) => {
            const answer = await send(isReplaySafe);
            if (!(answer instanceof Response) || !answer.body) return;
            const reader = answer.body.getReader();
            for (let read = 0; read < reads; read += 1) reader.read().catch(() => {});
            await settle();
            reader.cancel().catch(() => {});
          });
          await inTime(Promise.all(bodies));
          clock.advance(50);
          await settle();
          expect(load()).toEqual(IDLE);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("an engine that fails before it answers", () => {
  const linesWith = (lines: readonly string[], text: string): string[] =>
    lines
      .filter((line) => line.includes(text))
      .map((line) => line.replace(/^\[[^\]]*\] /, "").replace(" (vllm_router)\n", ""));

  test("is not asked again for the same request, and the log tells each attempt in the reference's words", async () => {
    const { send, sent, lines } = start({
      engines: [failing("ECONNREFUSED"), failing("ENOTFOUND"), whole],
      maxAttempts: 3,
    });
    expect(await send()).toHaveProperty("status", 200);
    expect(sent).toEqual(["e0", "e1", "e2"]);
    expect(linesWith(lines, "r-1").filter((line) => !line.startsWith("DEBUG"))).toEqual([
      "INFO: Routing request r-1 with session id None to http://e0 at 1700000000, process time = 0.0000",
      "WARNING: Request r-1 failed on http://e0 (attempt 1/3): The engine cannot be reached. (engine ECONNREFUSED)",
      "INFO: Routing request r-1 to http://e1 (attempt 2/3)",
      "WARNING: Request r-1 failed on http://e1 (attempt 2/3): The engine cannot be reached. (engine ENOTFOUND)",
      "INFO: Routing request r-1 to http://e2 (attempt 3/3)",
    ]);
  });

  test("as the last one is logged as well, whether attempts or engines have run out", async () => {
    const none = start({ engines: [failing("ECONNREFUSED"), whole] });
    expect(await none.send()).toHaveProperty("code", "upstream_unreachable");
    expect(linesWith(none.lines, "WARNING")).toEqual([
      "WARNING: Request r-1 failed on http://e0 (attempt 1/1): The engine cannot be reached. (engine ECONNREFUSED)",
    ]);
    const alone = start({ engines: [failing("ECONNREFUSED")], maxAttempts: 5 });
    expect(await alone.inTime(alone.send())).toHaveProperty("code", "upstream_unreachable");
    expect(alone.sent).toEqual(["e0", "e0"]);
    expect(linesWith(alone.lines, "WARNING")).toHaveLength(2);
  });

  test.each([1, 2, 3])(
    "ends the request after %p attempts where so many are allowed",
    async (maxAttempts) => {
      const engines = Array.from({ length: 5 }, () => failing("ECONNREFUSED"));
      const { send, sent } = start({ engines, maxAttempts });
      expect(await send()).toHaveProperty("code", "upstream_unreachable");
      expect(new Set(sent).size).toBe(maxAttempts);
      expect(sent).toHaveLength(maxAttempts);
    },
  );

  test("has another take over a request that may not be sent twice only if it was never sent", async () => {
    const lost = start({ engines: [failing("ECONNRESET"), whole], maxAttempts: 2 });
    expect(await lost.send(false)).toHaveProperty("code", "upstream_reset");
    expect(lost.sent).toEqual(["e0"]);
    const unsent = start({ engines: [failing("ECONNREFUSED"), whole], maxAttempts: 2 });
    expect(await unsent.send(false)).toHaveProperty("status", 200);
  });

  test("whose client has left is no failure: nobody else is asked, and nothing is logged against it", async () => {
    const { send, sent, leaving, lines } = start({
      engines: [
        async () => {
          leaving.abort(new Error("left"));
          throw codeError("ECONNRESET");
        },
        whole,
      ],
      maxAttempts: 2,
    });
    expect(await send()).toHaveProperty("code", "client_closed");
    expect(sent).toEqual(["e0"]);
    expect(linesWith(lines, "WARNING")).toEqual([]);
  });
});

describe("an engine that breaks off", () => {
  /** The chunks that arrive before the connection is cut. */
  const textOf = async (given: ReturnType<typeof start>, last: RegExp): Promise<string> => {
    await using wire = await putOnWire(await given.send());
    await wire.client.until(last);
    given.clock.advance(50);
    const received = await wire.client.closed();
    expect(received).not.toEndWith("\r\n0\r\n\r\n");
    const [, body = ""] = received.split(/\r\n\r\n(.*)/s);
    return body.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/g, "").replace(/\r\n$/, "");
  };

  test.each([
    ["between events", "data: {}\n\n"],
    ["within an event", 'data: {"choices":[{"te'],
    ["at the end of an event's line", "data: {}\n"],
  ])("%s: its failure is an event of its own", async (_where, chunk) => {
    const text = await textOf(start({ engines: [events([chunk], "breaks")] }), /"error"/);
    expect(text).toStartWith(chunk);
    const lines = text.split("\n");
    const at = lines.findIndex((line) => line.startsWith('data: {"error":'));
    expect(lines[at - 1]).toBe("");
    expect(JSON.parse(lines[at]?.slice("data: ".length) ?? "")).toMatchObject({
      error: { type: "upstream_error", code: "upstream_reset" },
    });
    expect(text).toEndWith("\n\n");
  });

  test("as if nothing were wrong, before its stream is complete: as one that broke", async () => {
    const given = start({ engines: [events(['data: {"choices":[]}\n\n'])] });
    const text = await textOf(given, /"error"/);
    expect(text).toContain("upstream_reset");
    expect(text).not.toContain("[DONE]");
    expect(given.lines.join("")).toContain("The engine ended its answer before it was complete.");
    expect(given.counted("vllm_router_stream_unterminated_total")).toEqual([
      'vllm_router_stream_unterminated_total{model="m",server="http://e0"} 1',
    ]);
  });

  test("with an error of its own in its stream: its words pass as they are, and count against it", async () => {
    const said = 'data: {"choices":[]}\n\ndata: {"error":{"code":500}}\n\ndata: [DONE]\n\n';
    const given = start({ engines: [events([said])] });
    await using wire = await putOnWire(await given.send());
    const received = await wire.client.until(/\r\n0\r\n\r\n$/);
    expect(received).toContain(said);
    expect(given.lines.join("")).toContain("by its engine with its whole answer: failed");
  });

  test.each([
    ["/v1/messages", "event: error\ndata: {"],
    ["/v1/responses", "event: error\ndata: {"],
  ])("on %s: its failure is told in that route's words", async (path, words) => {
    const given = start({ engines: [events(["data: {}\n\n"], "breaks")], path });
    expect(await textOf(given, /"error"/)).toContain(words);
  });

  test("in an answer that is no event stream: nothing is added", async () => {
    const given = start({ engines: [async () => new Response(stream(["abc"], "breaks"))] });
    expect(await textOf(given, /abc/)).toBe("abc");
    expect(given.lines.join("")).toContain(
      "Request r-1 broke off while its answer streamed: engine ECONNRESET",
    );
  });
});

describe("a policy", () => {
  test("is told what becomes of each attempt, and gathers the prompt once for all of them", async () => {
    const told: string[] = [];
    const prompts = new Set<unknown>();
    const policy: RoutingPolicy = {
      plan: ({ prompt }, [{ endpoint }]) => {
        prompts.add(prompt());
        const tell =
          (event: string) =>
          (...values: readonly unknown[]): void =>
            void told.push(`${endpoint.id} ${event} ${JSON.stringify(values)}`);
        const watcher = {
          began: tell("began"),
          streamBegan: tell("stream"),
          tokens: tell("tokens"),
          ended: tell("ended"),
        };
        return { endpoint, kind: "single", rule: "load", reason: "test", watcher };
      },
    };
    const usage = '{"prompt_tokens":3,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":2}}';
    const engines = [failing("ECONNREFUSED"), events([`data: {"usage":${usage}}\n\ndata: [DONE]\n\n`])];
    const { send } = start({ engines, maxAttempts: 2, policy });
    await new Response(bodyOf(await send())).text();
    expect(told).toEqual([
      "e0 began []",
      'e0 ended ["failed",0,false]',
      "e1 began []",
      "e1 stream [0]",
      'e1 tokens [{"input":3,"output":1,"cached":2}]',
      'e1 ended ["done",0,true]',
    ]);
    expect(prompts.size).toBe(1);
  });

  test("plans requests that come at once with those before them under way", async () => {
    const seen: number[] = [];
    const policy: RoutingPolicy = {
      plan: (_request, [{ endpoint, requests }]) => {
        seen.push(requests.inPrefill);
        return { endpoint, kind: "single", rule: "load", reason: "test" };
      },
    };
    const { send } = start({ engines: [whole], policy });
    await Promise.all([send(), send(), send()]);
    expect(seen).toEqual([0, 1, 2]);
  });
});
