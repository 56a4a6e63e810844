import { expect, test } from "bun:test";
import fc from "fast-check";
import { createTail, tailText } from "../../src/proxy/tail.ts";

const textOf = (chunks: readonly string[]): string => {
  const tail = createTail(chunks[0] === undefined ? undefined : Buffer.from(chunks[0]));
  for (const chunk of chunks.slice(1)) tail.add(Buffer.from(chunk));
  return tailText(tail.last(), tail.before());
};

test("an answer's tail holds its last event in whatever way it was cut", () => {
  const body = `data: ${"x".repeat(300)}\n\ndata: [DONE]\n\n`;
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: body.length }), { maxLength: 40 }), (cuts) => {
      const at = [0, ...cuts.toSorted((left, right) => left - right), body.length];
      const chunks = at.slice(1).map((end, index) => body.slice(at[index], end));
      expect(textOf(chunks)).toEndWith("\n\ndata: [DONE]\n\n".slice(-16));
      expect(body).toEndWith(textOf(chunks));
    }),
  );
});

test("it is never more than 4 KiB, and nothing of an answer without bytes", () => {
  expect(textOf(["a".repeat(5000), "b".repeat(3000)])).toBe("a".repeat(1096) + "b".repeat(3000));
  expect(textOf(["a".repeat(5000)])).toBe("a".repeat(4096));
  expect(textOf([])).toBe("");
});
