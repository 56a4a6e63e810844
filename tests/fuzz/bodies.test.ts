import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RouterError } from "../../src/core/errors.ts";
import { type Call, readCall } from "../../src/proxy/call.ts";

const RUNS = 30_000;
const PATHS = ["/v1/completions", "/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings"];
const encoder = new TextEncoder();

const name = fc.oneof(
  fc.constantFrom("model", "stream", "messages", "prompt", "__proto__", "constructor", "", "mod\u0065l"),
  fc.string({ unit: "grapheme", maxLength: 8 }),
);
const modelName = fc.constantFrom("m", "served", "a/b:c", "\u00e9");
const field = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(fc.constant("model"), modelName) },
  { weight: 3, arbitrary: fc.tuple(name, fc.jsonValue({ maxDepth: 3 })) },
);
const object = fc
  .array(field, { maxLength: 6 })
  .map(
    (fields) =>
      `{${fields.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")}}`,
  );

/** A text with one place changed, so that it is almost what it was. */
const damaged = fc
  .tuple(
    object,
    fc.nat(),
    fc.constantFrom("", "\\", '"', "{", "]", "\0", "\ud800", ",", "9".repeat(400), "[".repeat(99)),
  )
  .map(([text, at, patch]) => {
    const place = text.length === 0 ? 0 : at % text.length;
    return text.slice(0, place) + patch + text.slice(place + 1);
  });

const bytes = fc.oneof(
  { weight: 4, arbitrary: object.map((text) => encoder.encode(text)) },
  { weight: 4, arbitrary: damaged.map((text) => encoder.encode(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((array) => new Uint8Array(array)) },
);

const type = fc.constantFrom(
  "application/json",
  "text/plain",
  "multipart/form-data; boundary=x",
  "multipart/form-data",
  "x",
);

const parse = (body: Uint8Array): unknown => {
  try {
    // The marker of byte order may come before an object.
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const read = async (
  body: Uint8Array<ArrayBuffer>,
  path: string,
  contentType: string,
): Promise<Call | RouterError> => {
  const request = new Request("http://router/", {
    method: "POST",
    body,
    headers: { "content-type": contentType },
  });
  const arrival = { id: "r", request, path, maxBodyBytes: 1_000_000, isReplaySafe: () => true };
  return readCall(arrival).catch((error: unknown) => {
    if (error instanceof RouterError) return error;
    throw error;
  });
};

describe("the body of a request, whatever its bytes,", () => {
  test(`is refused with a reason or passes as it came, but for its model (${RUNS} cases)`, async () => {
    let passed = 0;
    await fc.assert(
      fc.asyncProperty(bytes, fc.constantFrom(...PATHS), type, async (body, path, contentType) => {
        const call = await read(body, path, contentType);
        if (call instanceof RouterError) {
          expect(["invalid_request", "body_too_large"]).toContain(call.code);
          return;
        }
        passed += 1;
        const { model = "" } = call;
        const sent = body.length === 0 ? "{}" : Buffer.from(body).toString("latin1");
        const asItCame = call.messageFor(model).body;
        expect(asItCame && Buffer.from(asItCame).toString("latin1")).toBe(sent);
        call.prompt("served");

        const changed = call.messageFor("served").body;
        const [before, after] = [parse(body), changed && parse(changed)];
        if (!isRecord(before) || contentType.startsWith("multipart")) return;
        expect(after).toEqual({ ...before, model: "served" });
        for (const key of ["stream", "user", "__proto__"])
          if (Object.hasOwn(before, key)) expect(call.field(key)).toEqual(before[key]);
      }),
      { numRuns: RUNS },
    );
    console.info(`${RUNS} bodies: ${passed} passed, ${RUNS - passed} refused`);
    expect(passed).toBeGreaterThan(RUNS / 20);
  }, 60_000);
});
