import { describe, expect, test } from "bun:test";
import { readCall } from "../../src/proxy/call.ts";
import { handoverForms, isDivisible, toldBy } from "../../src/proxy/handover.ts";

const bytes = (text: string) => Buffer.from(text);
const textOf = (body: Uint8Array): string => Buffer.from(body).toString();
const KEEP =
  '{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,"remote_block_ids":null,"remote_host":null,"remote_port":null}';

const given =
  '{"model" : "m","prompt":"h\\u00e9","seed":12345678901234567890,"stream":true,"stream_options":{"include_usage":true},"min_tokens":5,"max_tokens":7,"max_completion_tokens":9}';
const field = (name: string): unknown => (JSON.parse(given) as Record<string, unknown>)[name];

describe("the body of a prefill", () => {
  test("asks for one token without a stream; every other value is the client's bytes", () => {
    expect(textOf(handoverForms.cache.prefillBody(bytes(given), field))).toBe(
      '{"model":"m","prompt":"h\\u00e9","seed":12345678901234567890,"max_tokens":1,"stream":false}',
    );
  });

  test("asks the engine to keep what it computes where parameters hand it over", () => {
    expect(textOf(handoverForms.parameters.prefillBody(bytes(given), field))).toBe(
      `{"model":"m","prompt":"h\\u00e9","seed":12345678901234567890,"max_tokens":1,"stream":false,"max_completion_tokens":1,"kv_transfer_params":${KEEP}}`,
    );
  });

  test("has max_completion_tokens only where the client has it", () => {
    const body = handoverForms.parameters.prefillBody(bytes('{"model":"m"}'), () => undefined);
    expect(textOf(body)).toBe(`{"model":"m","max_tokens":1,"stream":false,"kv_transfer_params":${KEEP}}`);
  });
});

describe("the body for the engine that answers", () => {
  const body = bytes('{"model":"m","stream":true}');
  const said = bytes(
    '{"id":"x","kv_transfer_params":{"remote_block_ids":[1,2],"remote_host":"0.0.0.0","tp_size":1}}',
  );

  test("is the client's where caches are shared", () => {
    expect(handoverForms.cache.decodeBody(said, "http://p")(body)).toBe(body);
  });

  test.each([
    ["http://10.0.0.7:8000", "10.0.0.7"],
    ["https://prefill.example/base/path", "prefill.example"],
    ["http://[fd00::7]:8000", "fd00::7"],
    ["http://single:8000", "single"],
  ])("names the engine at %s as %s, and keeps the rest of its parameters", (url, host) => {
    expect(JSON.parse(textOf(handoverForms.parameters.decodeBody(said, url)(body)))).toEqual({
      model: "m",
      stream: true,
      kv_transfer_params: { remote_block_ids: [1, 2], remote_host: host, tp_size: 1 },
    });
  });

  test.each(['{"id":"x"}', '{"kv_transfer_params":null}'])("is the client's where %s has none", (without) => {
    expect(handoverForms.parameters.decodeBody(bytes(without), "http://p")(body)).toBe(body);
  });

  test.each(["", "[]", "<html>"])("cannot be made from %p", (broken) => {
    expect(() => handoverForms.parameters.decodeBody(bytes(broken), "http://p")).toThrow(
      "The engine's answer to a prefill is not a JSON object.",
    );
  });
});

describe("a failure", () => {
  const openAi = '{"error":{"message":"too long","type":"BadRequestError","code":400}}';
  const tell = (form: keyof typeof handoverForms, leg: "prefill" | "decode", said: string) => {
    const headers = { "content-type": "text/plain", "retry-after": "3" };
    const told = toldBy(handoverForms[form], leg, { status: 418, headers, first: bytes(said) });
    return [
      told.status,
      told.headers["content-type"],
      told.headers["retry-after"],
      textOf(told.first ?? bytes("")),
    ];
  };

  test.each([
    [
      "cache",
      "prefill",
      openAi,
      '{"error":{"message":"Prefiller error: too long","type":"prefiller_error","code":418}}',
    ],
    [
      "cache",
      "decode",
      "no JSON",
      '{"error":{"message":"Decoder error: no JSON","type":"decoder_error","code":418}}',
    ],
    ["parameters", "prefill", "why", '{"error":"Prefill failed: why"}'],
    ["parameters", "decode", "", '{"error":"Decode failed: "}'],
  ] as const)("by %s of the %s leg is told with its status", (form, leg, said, body) => {
    expect(tell(form, leg, said)).toEqual([418, "application/json", "3", body]);
  });

  test("is no answer that went well; one that cannot be read stays as it is", () => {
    const well = { status: 200, headers: {}, first: bytes("{}") };
    expect(toldBy(handoverForms.cache, "decode", well)).toBe(well);
    const compressed = {
      status: 500,
      headers: { "content-encoding": "gzip" },
      first: bytes("?"),
    };
    expect(toldBy(handoverForms.cache, "decode", compressed)).toBe(compressed);
  });
});

describe("a request can be divided", () => {
  const divisible = async (body: object, path = "/v1/completions") => {
    const request = new Request(`http://router${path}`, {
      method: "POST",
      body: JSON.stringify({ model: "m", ...body }),
    });
    return isDivisible(
      await readCall({ id: "r", request, path, isReplaySafe: () => true, maxBodyBytes: 1000 }),
    );
  };

  test.each([
    ["a text", { prompt: "hi" }, "/v1/completions"],
    ["a list with one text", { prompt: ["hi"] }, "/v1/completions"],
    ["token ids", { prompt: [1, 2, 3] }, "/v1/completions"],
    ["messages", { messages: [], n: 1, stream: true }, "/v1/chat/completions"],
  ])("with %s", async (_what, body, path) => {
    expect(await divisible(body, path)).toBe(true);
  });

  test.each([
    ["several texts", { prompt: ["a", "b"] }, "/v1/completions"],
    ["several lists of ids", { prompt: [[1], [2]] }, "/v1/completions"],
    ["several answers", { messages: [], n: 2 }, "/v1/chat/completions"],
    ["an echo of the prompt", { prompt: "a", echo: true }, "/v1/completions"],
    ["logprobs of the prompt", { prompt: "a", prompt_logprobs: 0 }, "/v1/completions"],
    ["an input to embed", { input: "a" }, "/v1/embeddings"],
  ])("but not with %s", async (_what, body, path) => {
    expect(await divisible(body, path)).toBe(false);
  });
});
