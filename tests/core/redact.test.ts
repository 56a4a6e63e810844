import { expect, test } from "bun:test";
import fc from "fast-check";
import { createRedact } from "../../src/core/redact.ts";

test.each([
  ["Authorization: Bearer sk-abcdef", "Authorization: Bearer ****"],
  ["bearer sk-abcdef, and more", "bearer ****, and more"],
  ['{"authorization":"Basic dXNlcjpwYXNz"}', '{"authorization":"Basic ****"}'],
  ["x-api-key=abc123&x=1", "x-api-key=****&x=1"],
  ['"api_key": "abc123"', '"api_key": "****"'],
  ["cookie: session", "cookie: ****"],
  ["http://user:pass@host/x", "http://****@host/x"],
])("%p is written as %p", (text, masked) => {
  expect(createRedact()(text)).toBe(masked);
});

test.each([
  "Routing request r-1 with session id token to http://10.0.0.1:8000 at 1.5, process time = 0.0001",
  "Engine http://a:8000 serves meta-llama/Llama-3.1-8B-Instruct",
  "12 tokens were used, a basic check",
])("%p is left alone", (text) => {
  expect(createRedact(["s3cret-key"])(text)).toBe(text);
});

test("a known secret never shows, wherever it stands", () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ minLength: 4 }), fc.string(), (before, secret, after) => {
      const masked = createRedact([secret])(`${before}${secret}${after}`);
      if (!"****".includes(secret)) expect(masked).not.toContain(secret);
    }),
  );
});
