import { expect, test } from "bun:test";
import fc from "fast-check";
import { createProse } from "../../src/demo/prose.ts";

const render = (pieces: readonly string[], columns: number, indent: number): string => {
  let written = "";
  const prose = createProse({ columns, indent }, (text) => {
    written += text;
  });
  for (const piece of pieces) prose.add(piece);
  prose.end();
  return written;
};

test("pieces are written as they come, and lines are broken between words", () => {
  expect(render(["The", " quick", " brown", " fox", " jumps", "."], 14, 2)).toBe(
    "  The quick\n  brown fox\n  jumps.\n",
  );
});

test("a whole text breaks like its pieces", () => {
  const pieces = ["The", " quick", " brown", " fox", " jumps", "."];
  expect(render([pieces.join("")], 14, 2)).toBe(render(pieces, 14, 2));
});

test("a word longer than a line is broken inside", () => {
  expect(render(["a abcdefghijkl"], 6, 1)).toBe(" a\n abcde\n fghij\n kl\n");
});

test("a line feed of the text begins a line", () => {
  expect(render(["one\ntwo"], 20, 1)).toBe(" one\n two\n");
});

test("no line is wider than the screen, and nothing but spaces is lost", () => {
  const pieces = fc.array(fc.stringMatching(/^ ?[a-z.,]{0,12}$/));
  fc.assert(
    fc.property(
      pieces,
      fc.integer({ min: 2, max: 40 }),
      fc.integer({ min: 0, max: 1 }),
      (texts, columns, indent) => {
        const written = render(texts, columns, indent);
        for (const line of written.split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
        expect(written.replace(/\s/g, "")).toBe(texts.join("").replaceAll(" ", ""));
      },
    ),
  );
});
