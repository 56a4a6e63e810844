import { expect, test } from "bun:test";
import { createStyle } from "../../src/demo/style.ts";

test("a terminal gets colours", () => {
  const style = createStyle({ isTerminal: true, env: { TERM: "xterm-256color", NO_COLOR: "" } });
  expect(style.isRich).toBe(true);
  expect([style.bold("x"), style.dim("x"), style.paint("cyan", "x")]).toEqual([
    "\u001b[1mx\u001b[0m",
    "\u001b[2mx\u001b[0m",
    "\u001b[36mx\u001b[0m",
  ]);
});

test.each([
  ["what is no terminal", { isTerminal: false, env: {} }],
  ["NO_COLOR", { isTerminal: true, env: { NO_COLOR: "1" } }],
  ["a dumb terminal", { isTerminal: true, env: { TERM: "dumb" } }],
])("plain text for %s", (_name, input) => {
  const style = createStyle(input);
  expect(style.isRich).toBe(false);
  expect([style.bold("x"), style.dim("x"), style.paint("cyan", "x")]).toEqual(["x", "x", "x"]);
});
