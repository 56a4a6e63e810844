import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { askForUsage } from "../../src/proxy/usage-request.ts";
import { bytesOf, jsonObject } from "./json-text.ts";

const CHAT = "/v1/chat/completions";

/** What an engine is sent for a body; absent where that is what the client sent. */
const ask = (body: string, path = CHAT): string | undefined => {
  const fields = JSON.parse(body.replace(/^\uFEFF/, "")) as Record<string, unknown>;
  const field = (name: string): unknown => (Object.hasOwn(fields, name) ? fields[name] : undefined);
  const asking = askForUsage(bytesOf(body), path, field);
  return asking && Buffer.from(asking).toString();
};

describe("a stream's request whose client does not ask for usage", () => {
  test("asks for it with one field more, and every byte of the client's stays", () => {
    const rest = '"stream" :true, "model":"m","x":12345678901234567890, "s":"\\u00e9é"}\n';
    for (const before of ["{", " \n{ ", "\uFEFF{"]) {
      const at = before.indexOf("{") + 1;
      expect(ask(before + rest)).toBe(
        `${before.slice(0, at)}"stream_options":{"include_usage":true},${before.slice(at)}${rest}`,
      );
    }
  });

  test("asks for it on completions too, and whatever the query", () => {
    for (const path of ["/v1/completions", "/v1/completions?x=1", `${CHAT}?x`])
      expect(ask('{"model":"m","stream":true}', path)).toContain('"include_usage":true');
  });

  test.each<[string, string]>([
    ["null", '{"include_usage":true}'],
    ['{ "include_usage" : false }', '{"include_usage":true}'],
    ['{"include_usage":null}', '{"include_usage":true}'],
    [
      '{"include_obfuscation":false,"include_usage":false}',
      '{"include_obfuscation":false,"include_usage":true}',
    ],
    [
      '{"include_usage":false,"continuous_usage_stats":false}',
      '{"include_usage":true,"continuous_usage_stats":false}',
    ],
  ])("has its stream_options changed from %s", (given, asked) => {
    const around = (options: string): string =>
      `{"stream":true , "stream_options" : ${options} ,"model":"m","y":{"stream_options":1} }`;
    expect(ask(around(given))).toBe(around(asked));
  });

  test("is sent as it is where more would change than one event, or the options are not the router's to judge", () => {
    for (const options of [
      '{"include_usage":false,"continuous_usage_stats":true}',
      '{"continuous_usage_stats":true}',
      "{}",
      '{"include_usage":"no"}',
      "[]",
      "7",
      '"x"',
    ])
      expect(ask(`{"model":"m","stream":true,"stream_options":${options}}`)).toBeUndefined();
  });

  test("keeps the meaning of any body but for that one field", () => {
    fc.assert(
      fc.property(jsonObject(), ({ text }) => {
        const body = text.replace(
          "{",
          () => `{"stream":true,"model":"m"${/^\s*\{\s*\}/.test(text) ? "" : ","}`,
        );
        const fields = JSON.parse(body) as Record<string, unknown>;
        if (fields["stream"] !== true || "stream_options" in fields) return;
        const asked = JSON.parse(ask(body) ?? "null") as Record<string, unknown>;
        expect(asked["stream_options"]).toEqual({ include_usage: true });
        delete asked["stream_options"];
        expect(asked).toEqual(fields);
      }),
    );
  });
});

test.each<[string, string, string]>([
  ["asks for usage itself", '{"model":"m","stream":true,"stream_options":{"include_usage":true}}', CHAT],
  ["does not stream", '{"model":"m"}', CHAT],
  ["does not stream, in so many words", '{"model":"m","stream":false}', CHAT],
  ["streams in a way that only the engine can judge", '{"model":"m","stream":1}', CHAT],
  ["goes where usage is always told", '{"model":"m","stream":true}', "/v1/messages"],
  ["goes to a path that only begins like it", '{"model":"m","stream":true}', "/v1/completions/x"],
  [
    "has more fields than are followed",
    `{"model":"m","stream":true,"stream_options":null${',"a":1'.repeat(10_001)}}`,
    CHAT,
  ],
])("a request that %s is sent as it is", (_what, body, path) => {
  expect(ask(body, path)).toBeUndefined();
});
