import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RouterError } from "../../src/core/errors.ts";
import { type Arrival, type Call, readCall } from "../../src/proxy/call.ts";
import { field, formBytes } from "./form-bytes.ts";
import { bytesOf, jsonObject } from "./json-text.ts";

type Given = Partial<Omit<Arrival, "request">> & {
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly contentType?: string;
  readonly query?: string;
  readonly method?: string;
};

const read = async ({ body, contentType, query = "", method = "POST", ...arrival }: Given): Promise<Call> =>
  readCall({
    id: "id-1",
    request: new Request(`http://router/v1/completions${query}`, {
      method,
      ...(body === undefined ? {} : { body }),
      headers: { "content-type": contentType ?? "application/json" },
    }),
    path: "/v1/completions",
    isReplaySafe: () => true,
    maxBodyBytes: 64 * 1024 * 1024,
    ...arrival,
  });

const TOO_MANY_MESSAGES = "Invalid request: more than 10000 messages.";

/** A body with so many messages, in which there are commas and lists as well. */
const conversation = (count: number, text = "x"): string => {
  const message = { role: "user", content: [{ type: "text", text: `a, b, [c, d], "${text}"` }] };
  return JSON.stringify({ model: "m", messages: Array.from({ length: count }, () => message) });
};

/** The call, or the error that is answered instead. */
const outcome = async (given: Given): Promise<Call | { readonly code: string; readonly message: string }> => {
  try {
    return await read(given);
  } catch (error) {
    if (!(error instanceof RouterError)) throw error;
    return { code: error.code, message: error.message };
  }
};

const INVALID_JSON = "Invalid request: request body must be valid JSON.";
const NOT_AN_OBJECT = "Invalid request: request body must be a JSON object.";
const MISSING = "Invalid request: missing 'model' in request body.";
const BAD_FORM = "Invalid multipart/form-data request";
const MISSING_IN_FORM = "Invalid request: missing 'model' in form data.";

const nested = (levels: number): string =>
  `{"model":"m","x":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;

const SCANNED = 16 * 1024 + 1;
const padding = " ".repeat(SCANNED);

/** What the engine gets when the client names the model that is served. */
const sent = (call: Call) => call.messageFor(call.model ?? "any");

describe("a JSON body that cannot be routed is answered in the words of the reference", () => {
  const cases: [string, string | Uint8Array<ArrayBuffer>, string][] = [
    ["truncated", '{"model":"m"', INVALID_JSON],
    ["not JSON", "hello", INVALID_JSON],
    ["one thing too many", '{"model":"m"}{', INVALID_JSON],
    ["nested 65 deep", nested(65), INVALID_JSON],
    ["nested 2000 deep", nested(2000), INVALID_JSON],
    ["nested beyond any stack", nested(200_000), INVALID_JSON],
    [
      "more fields than any request has",
      `{"model":"m"${Array.from({ length: 10_000 }, (_, n) => `,"${n}":1`).join("")}}`,
      INVALID_JSON,
    ],
    ["more messages than any conversation has", conversation(10_001), TOO_MANY_MESSAGES],
    ["a list", "[]", NOT_AN_OBJECT],
    ["a list after a byte order mark", "\ufeff [1,2]", NOT_AN_OBJECT],
    ["a text", '"model"', NOT_AN_OBJECT],
    ["without a model", "{}", MISSING],
    ["with a null model", '{"model":null}', MISSING],
    ["with a model of the prototype only", '{"__proto__":{"model":"m"}}', MISSING],
    ["with a model list", '{"model":["m"]}', "Invalid request: 'model' must be a string."],
    ["with a model number", '{"model":7}', "Invalid request: 'model' must be a string."],
  ];
  test.each(cases)("%s", async (_what, body, message) => {
    expect(await outcome({ body })).toEqual({ code: "invalid_request", message });
  });

  test.each(cases)("%s, also where it is too long to be parsed", async (_what, body, message) => {
    const text = String(body);
    const space = text.startsWith("\ufeff") ? 1 : 0;
    const long = text.slice(0, space) + padding + text.slice(space);
    expect(await outcome({ body: long })).toEqual({ code: "invalid_request", message });
  });

  test("empty, as the empty object", async () => {
    const body = new Uint8Array();
    expect(await outcome({ body })).toEqual({ code: "invalid_request", message: MISSING });
    expect(await outcome({})).toEqual({ code: "invalid_request", message: MISSING });
  });

  test.each(["null", "true", "12", "-1"])("%s alone", async (body) => {
    expect(await outcome({ body })).toEqual({ code: "invalid_request", message: NOT_AN_OBJECT });
  });

  test("not UTF-8", async () => {
    const body = new Uint8Array([...bytesOf('{"model":"m'), 0xff, ...bytesOf('"}')]);
    expect(await outcome({ body })).toEqual({ code: "invalid_request", message: INVALID_JSON });
  });
});

test("a conversation of 10,000 messages is none too many, however long they are and whatever else is in lists", async () => {
  for (const text of ["x", "x".repeat(200)]) {
    const call = await read({ body: conversation(10_000, text) });
    expect(call.model).toBe("m");
  }
  const tokens = Array.from({ length: 500_000 }, () => 1).join();
  expect((await read({ body: `{"model":"m","prompt":[${tokens}]}` })).model).toBe("m");
});

describe("a JSON body", () => {
  test("tells its model and fields and is kept as its bytes", async () => {
    const body = '\ufeff {"model" : "org/m:7b", "n":12345678901234567890, "user":"u"}';
    const call = await read({ body });
    expect(call).toMatchObject({ id: "id-1", method: "POST", model: "org/m:7b" });
    expect(sent(call).path).toBe("/v1/completions");
    expect(call.field("user")).toBe("u");
    expect(sent(call).body).toEqual(bytesOf(body));
    expect(call.engineId).toBeUndefined();
  });

  test("nested 64 deep is accepted, long or short", async () => {
    expect((await read({ body: nested(64) })).model).toBe("m");
    expect((await read({ body: padding + nested(64) })).model).toBe("m");
  });

  test("has no field that it does not name", async () => {
    for (const body of ['{"model":"m"}', `{"model":"m"${padding}}`]) {
      const call = await read({ body });
      for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty", ""])
        expect(call.field(name)).toBeUndefined();
    }
  });

  test("may have fields with the names of an object's own", async () => {
    const text = '"__proto__":"p","constructor":"c","hasOwnProperty":1,"model":"m"';
    for (const body of [`{${text}}`, `{${text}${padding}}`]) {
      const call = await read({ body });
      expect([call.model, call.field("__proto__"), call.field("constructor")]).toEqual(["m", "p", "c"]);
    }
  });

  test("says whether sending it twice is harmless", async () => {
    const isReplaySafe: Arrival["isReplaySafe"] = (get) => get("store") === false;
    expect((await read({ body: '{"model":"m","store":false}', isReplaySafe })).isReplaySafe).toBe(true);
    expect((await read({ body: '{"model":"m"}', isReplaySafe })).isReplaySafe).toBe(false);
  });

  test("with another model differs in the model only, wherever it stands and however it is written", async () => {
    const call = await read({ body: '{"model":"a","x":{"model":"m"}, "mod\\u0065l" :\t"m" }' });
    expect(call.model).toBe("m");
    expect(Buffer.from(call.messageFor('n"\\é').body ?? []).toString()).toBe(
      '{"model":"a","x":{"model":"m"}, "mod\\u0065l" :\t"n\\"\\\\é" }',
    );
  });

  test("is understood alike whether it is parsed or, beyond 16 KiB, scanned", async () => {
    const short = fc.constantFrom('"m"', '"\\u006d"', "null", "7", "[1]", '{"model":"m"}', '"é\\n"', "true");
    await fc.assert(
      fc.asyncProperty(jsonObject(short), async ({ text, entries }) => {
        const padded = (length: number): string =>
          text.replace("{", `{"pad":"${"x".repeat(length)}"${entries.length > 0 ? "," : ""}`);
        const [parsed, scanned] = [
          await outcome({ body: padded(1) }),
          await outcome({ body: padded(SCANNED) }),
        ];
        if ("message" in parsed || "message" in scanned) return expect(scanned).toEqual(parsed);
        expect(scanned.model).toBe(parsed.model);
        for (const [name] of entries)
          if (name !== "pad") expect(scanned.field(name)).toEqual(parsed.field(name));
        const long = Buffer.from(scanned.messageFor("other").body ?? []).toString();
        const pad = "x".repeat(SCANNED);
        expect(long.replace(pad, "x")).toBe(Buffer.from(parsed.messageFor("other").body ?? []).toString());
      }),
      { numRuns: 100 },
    );
  });

  test("beyond 1 MiB has no field that is itself longer than 64 KiB", async () => {
    const value = "v".repeat(64 * 1024 - 2);
    const body = `{"model":"m","fits":"${value}","long":"${value}v"}`;
    const [medium, large] = [await read({ body }), await read({ body: " ".repeat(1024 * 1024) + body })];
    expect(large.field("fits")).toBe(value);
    expect(large.field("long")).toBeUndefined();
    expect(medium.field("long")).toBe(`${value}v`);
  });

  test.each(['"stream":tru', '"stream":0x1', String.raw`"user":"\q"`, '"user":"a\nb"'])(
    "that has %p is refused, long or short",
    async (text) => {
      const message = INVALID_JSON;
      for (const space of ["", padding])
        expect(await outcome({ body: `{"model":"m",${text}${space}}` })).toEqual({
          code: "invalid_request",
          message,
        });
    },
  );

  test("that is not UTF-8 is refused, long or short", async () => {
    for (const space of ["", padding]) {
      const body = Buffer.concat([
        bytesOf(`${space}{"model":"m","x":["`),
        Buffer.from([0xff]),
        bytesOf('"]}'),
      ]);
      expect(await outcome({ body })).toEqual({ code: "invalid_request", message: INVALID_JSON });
    }
  });
});

describe("a form", () => {
  const contentType = "multipart/form-data; boundary=b";
  const file = {
    header: 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav',
    content: new Uint8Array([0, 255, 13, 10, 45, 45, 98, 120, 13, 10]),
  };

  test("tells its model; with another model no byte of the rest changes", async () => {
    const form = (model: string) => formBytes("b", [file, field("model", model), field("user", "é")]);
    const call = await read({ body: form("alias"), contentType });
    expect([call.model, call.field("user"), call.field("other")]).toEqual(["alias", "é", undefined]);
    expect(sent(call).body).toEqual(form("alias"));
    expect(call.messageFor("org/model:7b").body).toEqual(form("org/model:7b"));
  });

  test.each([
    ["without a model", formBytes("b", [file]), contentType, MISSING_IN_FORM],
    ["with an empty model", formBytes("b", [field("model", "")]), contentType, MISSING_IN_FORM],
    ["cut short", formBytes("b", [field("model", "m")]).subarray(0, 60), contentType, BAD_FORM],
    ["with another boundary", formBytes("c", [field("model", "m")]), contentType, BAD_FORM],
    ["without a boundary", formBytes("b", [field("model", "m")]), "multipart/form-data", BAD_FORM],
    [
      "that is another kind of multipart",
      formBytes("b", [field("model", "m")]),
      "multipart/mixed; boundary=b",
      BAD_FORM,
    ],
    ["that is JSON", bytesOf('{"model":"m"}'), contentType, BAD_FORM],
    ["that is empty", new Uint8Array(), contentType, BAD_FORM],
  ])("%s is answered in the words of the reference", async (_what, body, type, message) => {
    expect(await outcome({ body, contentType: type })).toEqual({ code: "invalid_request", message });
  });
});

describe("a content type that is not a form's", () => {
  test.each(["text/plain", "application/x-www-form-urlencoded", "garbage", ""])(
    "%p: the body is JSON",
    async (contentType) => {
      expect((await read({ body: '{"model":"m"}', contentType })).model).toBe("m");
    },
  );
});

describe("a query", () => {
  test.each([
    ["", "", undefined],
    ["?", "", undefined],
    ["?a=1&b=%20x&c", "?a=1&b=%20x&c", undefined],
    ["?id=e1", "", "e1"],
    ["?a=1&id=e1&b", "?a=1&b", "e1"],
    ["?id=", "", ""],
    ["?%69d=e1&x", "?x", "e1"],
    ["?id=e1&id=e2", "", "e1"],
    ["?idx=1&xid=2", "?idx=1&xid=2", undefined],
    ["??id=1", "??id=1", undefined],
    ["?a=1&?id=1", "?a=1&?id=1", undefined],
    ["?a=b?id=1", "?a=b?id=1", undefined],
  ])("%p reaches the engine as %p and pins %p", async (query, forwarded, engineId) => {
    const call = await read({ body: '{"model":"m"}', query });
    expect([sent(call).path, call.engineId]).toEqual([`/v1/completions${forwarded}`, engineId]);
  });

  test("keeps every parameter but id, in order and as written", async () => {
    const parameter = fc.tuple(
      fc.constantFrom("a", "id", "idd", "%69d", "i%64", "", "b%20"),
      fc.webQueryParameters(),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(parameter), async (parameters) => {
        const pairs = parameters.map(([name, value]) => `${name}=${value.replaceAll("&", "")}`);
        const call = await read({ body: '{"model":"m"}', query: `?${pairs.join("&")}` });
        const given = new URLSearchParams(pairs.join("&"));
        expect(call.engineId).toBe(given.get("id") ?? undefined);
        given.delete("id");
        expect([...new URLSearchParams(sent(call).path.split("?").slice(1).join("?"))]).toEqual([...given]);
      }),
    );
  });

  test("holds the model of a request that has no body", async () => {
    const call = await read({ method: "GET", query: "?model=org%2Fm&x=1" });
    expect([call.model, call.field("x"), sent(call).path]).toEqual([
      "org/m",
      "1",
      "/v1/completions?model=org%2Fm&x=1",
    ]);
    expect(sent(call).body).toBeUndefined();
    expect(call.messageFor("a/b c").path).toBe("/v1/completions?model=a%2Fb%20c&x=1");
    expect((await read({ method: "GET" })).model).toBeUndefined();
  });

  test.each(["model", "%6dodel", "%6D%6f%64%65%6C", "mo%64e%6c"])(
    "is sent another model in place of its own, whose name is written %p",
    async (name) => {
      const call = await read({ method: "GET", query: `?a=1&${name}=m&Model=m&models=m&%6Dodel=n` });
      expect(call.model).toBe("m");
      expect(call.messageFor("x").path).toBe("/v1/completions?a=1&model=x&Model=m&models=m&model=x");
    },
  );
});
