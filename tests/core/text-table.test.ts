import { expect, test } from "bun:test";
import fc from "fast-check";
import { renderTable, type Table } from "../../src/core/text-table.ts";

const table: Table = {
  columns: [{ title: "name" }, { title: "why", isFlexible: true }, { title: "ms", align: "right" }],
  rows: [
    ["first", "because it was there", "7"],
    ["second", "no reason", "1200"],
  ],
};

test("columns are as wide as their widest cell, numbers stand at the right", () => {
  expect(renderTable(table, 80)).toEqual([
    "name    why                     ms",
    "──────  ────────────────────  ────",
    "first   because it was there     7",
    "second  no reason             1200",
  ]);
});

test("on a narrower screen the flexible column is broken between words", () => {
  expect(renderTable(table, 28)).toEqual([
    "name    why               ms",
    "──────  ──────────────  ────",
    "first   because it was     7",
    "        there",
    "second  no reason       1200",
  ]);
});

test("where columns do not fit at all, each row becomes lines of its own", () => {
  expect(renderTable(table, 20)).toEqual([
    "name: first",
    "why: because it was",
    "     there",
    "ms: 7",
    "",
    "name: second",
    "why: no reason",
    "ms: 1200",
  ]);
});

test("a dressed cell keeps its place, and the head is left plain", () => {
  const dressed = table.columns.map((column) => ({
    ...column,
    dress: (padded: string, text: string) => `<${text}:${padded}>`,
  }));
  expect(renderTable({ ...table, columns: dressed }, 28).slice(0, 4)).toEqual([
    "name    why               ms",
    "──────  ──────────────  ────",
    "<first:first >  <because it was there:because it was>  <7:   7>",
    "        <because it was there:there         >",
  ]);
});

test("as long as there are columns, no line is wider than the screen and no word is lost", () => {
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  const cells = fc.tuple(
    word,
    fc.array(word, { minLength: 1 }).map((words) => words.join(" ")),
    word,
  );
  fc.assert(
    fc.property(fc.array(cells, { minLength: 1 }), fc.integer({ min: 40, max: 120 }), (rows, screen) => {
      const lines = renderTable({ ...table, rows }, screen);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(screen);
      const shown = lines.slice(2).join(" ").split(/\s+/).sort();
      expect(shown).toEqual(rows.flat().join(" ").split(" ").sort());
    }),
  );
});
