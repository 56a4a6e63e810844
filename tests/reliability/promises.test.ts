import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { clientFaults } from "./client-faults.ts";
import { engineFaults } from "./engine-faults.ts";
import { promises } from "./promises.ts";
import { surroundingFaults } from "./surrounding-faults.ts";

const tables = [
  ["R", 21, promises],
  ["U", 30, engineFaults],
  ["C", 15, clientFaults],
  ["P", 20, surroundingFaults],
] as const;

test.each(tables)("every %s has its row", (letter, count, rows) => {
  expect(Object.keys(rows)).toEqual(Array.from({ length: count }, (_, index) => `${letter}${index + 1}`));
});

test("every row names tests that are there, or why there is none", () => {
  const lost: string[] = [];
  for (const [id, { tests, missing }] of tables.flatMap(([, , rows]) => Object.entries(rows))) {
    if (tests.length === 0 && missing === undefined) lost.push(`${id}: nothing`);
    for (const named of tests) {
      const colon = named.indexOf(": ");
      const path = join(import.meta.dir, "..", named.slice(0, colon));
      const text = existsSync(path) ? readFileSync(path, "utf8") : "";
      if (!text.includes(named.slice(colon + 2))) lost.push(`${id}: ${named}`);
    }
  }
  expect(lost).toEqual([]);
});
