import { expect, test } from "bun:test";
import { sentError } from "../../src/workers/sent-error.ts";

test.each([
  ["an error", new TypeError("wrong"), /^(?:Type)?Error: wrong$/],
  ["an error with what cannot be copied", Object.assign(new Error("odd"), { cause: () => {} }), /odd/],
  ["a function", () => {}, /Function/],
  ["a symbol", Symbol("s"), /Symbol\(s\)/],
  ["an answer", new Response("x"), /Response/],
  ["an object without a prototype", Object.create(null), /Object/],
  ["nothing", undefined, /undefined/],
])("%s that was thrown can be sent to another thread", (_what, thrown, told) => {
  expect(String(structuredClone(sentError(thrown)))).toMatch(told);
});
