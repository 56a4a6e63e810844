import { expect, test } from "bun:test";
import { commands } from "../../src/cli.ts";
import { describeOptions } from "../../src/cli/help.ts";
import { routerOptions } from "../../src/config/options.ts";
import { type Option, flagName } from "../../src/core/option.ts";

const rows = Object.entries<Option>(routerOptions);
const text = (columns: number): string =>
  describeOptions(routerOptions, columns)
    .map(({ title, body }) => `${title}\n${body}`)
    .join("\n\n");

const row = {
  group: "Group",
  argument: "<word>",
  schema: routerOptions.logFormat.schema,
  default: "text",
  help: "Does this and that.",
  unavailable: "It is not available yet.",
};

test("every flag is listed once, with its default", () => {
  const words = text(1000).split("\n");
  for (const [property, { argument, default: fallback, help }] of rows) {
    const left = `  --${flagName(property)}${argument === undefined ? "" : ` ${argument}`}`;
    const at = words.findIndex((line) => line === left || line.startsWith(`${left} `));
    const line = words[at] === left ? (words[at + 1] ?? "") : (words[at] ?? "");
    expect(line).toContain(help);
    if (argument !== undefined && fallback) expect(line).toContain(`default: ${fallback}`);
  }
});

test("what may be a word or a number has no choices that could be listed", () => {
  expect(describeOptions({ workers: routerOptions.workers }, 200)[0]?.body).toEndWith("(default: 1)");
  expect(text(1000)).not.toContain("[object");
});

test("groups come in the order of the table, each once", () => {
  expect(describeOptions(routerOptions, 80).map(({ title }) => title)).toEqual([
    ...new Set(rows.map(([, { group }]) => group)),
  ]);
});

test("choices, the default and what is missing stand behind the sentence", () => {
  expect(describeOptions({ someWord: row }, 200)[0]?.body).toBe(
    `${"  --some-word <word>".padEnd(34)}Does this and that. (text, json; default: text; not available yet)`,
  );
});

test("lines are folded to the width, and moved left where it is small", () => {
  expect(describeOptions({ someWord: row }, 80)[0]?.body.split("\n")).toEqual([
    `${"  --some-word <word>".padEnd(34)}Does this and that. (text, json; default:`,
    `${" ".repeat(34)}text; not available yet)`,
  ]);
  expect(describeOptions({ someWord: row }, 40)[0]?.body.split("\n")).toEqual([
    "  --some-word <word>",
    "      Does this and that. (text, json;",
    "      default: text; not available yet)",
  ]);
});

test.each([40, 60, 80, 120])("no line is longer than %p columns, but for single words", (columns) => {
  for (const line of text(columns).split("\n")) {
    if (line.length > columns) expect(line.trim().split(" ").length).toBeLessThanOrEqual(2);
  }
});

test("every command says what it does, in half a sentence", () => {
  for (const { summary } of commands) expect(summary).toMatch(/^[a-z].*[^.]$/);
});
