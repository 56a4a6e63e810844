import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isEventStream } from "../../src/core/answer.ts";
import { asHeaders, endToEndOf, headersForClient, headersForEngine } from "../../src/proxy/headers.ts";

/** RFC 9110 section 7.6.1, the framing that the router does itself, and credentials of the hop. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "content-length",
];

const END_TO_END = [
  "accept",
  "accept-encoding",
  "authorization",
  "cookie",
  "content-encoding",
  "content-type",
  "retry-after",
  "user-agent",
  "x-custom",
  "x-request-timeout-ms",
  "!#$%&'*+-.^_`|~09az",
];

const anyCase = (name: string): fc.Arbitrary<string> => fc.mixedCase(fc.constant(name));

/** A Connection field: names, options, empty items, and whatever else can stand in a field's value. */
const connection = fc.option(
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          ...END_TO_END,
          ...HOP_BY_HOP,
          "close",
          "",
          " ",
          "two words",
          "\u00e9",
          '"quoted"',
          ";=:()[]{}",
        ),
        fc.string({ unit: "binary-ascii" }),
      ),
      { maxLength: 6 },
    )
    .chain((items) => fc.constantFrom(",", ", ", " ,\t").map((separator) => items.join(separator)))
    .filter((value) => !/[\0\r\n]/.test(value)),
  { nil: undefined },
);

const fields = fc.uniqueArray(fc.constantFrom(...END_TO_END, ...HOP_BY_HOP).chain(anyCase), {
  selector: (name) => name.toLowerCase(),
});

const withFields = (names: readonly string[], listed: string | undefined): Headers => {
  const headers = new Headers(
    names.map((name): [string, string] => [name, `value of ${name.toLowerCase()}`]),
  );
  if (listed === undefined) headers.delete("connection");
  else headers.set("connection", listed);
  return headers;
};

const listedIn = (connectionField: string | undefined): ReadonlySet<string> =>
  new Set((connectionField ?? "").split(",").map((item) => item.trim().toLowerCase()));

const forEngine = (headers: Headers, id: string): Headers => new Headers(headersForEngine(headers, id));
const forClient = (given: Headers, id: string): Headers => {
  const { headers, cookies } = endToEndOf(given);
  return new Headers(asHeaders(headersForClient(headers, id), cookies));
};

const directions = [
  ["towards the engine", forEngine, ["host", "expect"]],
  ["towards the client", forClient, ["server", "date"]],
] as const;

describe.each(directions)("%s", (_direction, rebuild, ownFields) => {
  test("every end-to-end field passes as it is, and no field of the connection does", () => {
    fc.assert(
      fc.property(fields, connection, (names, listed) => {
        const given = withFields([...names, ...ownFields], listed);
        const kept = rebuild(given, "id-1");
        const dropped = new Set([...HOP_BY_HOP, ...ownFields, ...listedIn(listed)]);
        for (const name of new Set(given.keys())) {
          if (name === "user-agent" && dropped.has(name)) continue;
          expect([name, kept.get(name)]).toEqual([name, dropped.has(name) ? null : given.get(name)]);
        }
        expect(kept.get("x-request-id")).toBe("id-1");
      }),
      { numRuns: 500 },
    );
  });

  test("the request id is the router's, whatever was sent and even where the connection claims it", () => {
    const given = new Headers({ "x-request-id": "theirs", connection: "x-request-id" });
    expect(rebuild(given, "ours").get("x-request-id")).toBe("ours");
  });

  test("the fields that were given stay as they were", () => {
    const given = new Headers({ connection: "x-hop", "x-hop": "1", host: "h", server: "s" });
    const before = [...given];
    rebuild(given, "id-1");
    expect([...given]).toEqual(before);
  });
});

test("an engine is told a user agent, the client's where it has one", () => {
  expect(forEngine(new Headers(), "id").get("user-agent")).toBe("vllm-router");
  expect(forEngine(new Headers({ "user-agent": "sdk/1" }), "id").get("user-agent")).toBe("sdk/1");
});

test("cookies of an engine stay apart", () => {
  const given = new Headers();
  given.append("set-cookie", "a=1, b");
  given.append("set-cookie", "c=2");
  expect(forClient(given, "id").getSetCookie()).toEqual(["a=1, b", "c=2"]);
});

describe("an event stream", () => {
  test.each([
    "text/event-stream",
    "text/event-stream; charset=utf-8",
    "text/event-stream;charset=utf-8",
    "Text/Event-Stream",
  ])("is %p, and proxies on its way are asked not to hold it back", (contentType) => {
    const given = { "content-type": contentType };
    expect(isEventStream(given)).toBe(true);
    const kept = headersForClient(given, "id");
    expect(kept).toMatchObject({ "cache-control": "no-cache", "x-accel-buffering": "no" });
  });

  test("keeps what its engine says about caching and buffering", () => {
    const said = {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "yes",
    };
    expect(headersForClient(said, "id")).toMatchObject(said);
  });

  test.each(["application/json", "text/event-streams", "x text/event-stream", undefined])(
    "is not %p",
    (contentType) => {
      const given = contentType === undefined ? {} : { "content-type": contentType };
      expect(isEventStream(given)).toBe(false);
      expect(headersForClient(given, "id")).not.toHaveProperty("cache-control");
    },
  );
});
