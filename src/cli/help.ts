import { cac } from "cac";
import { choicesOf } from "../config/schemas.ts";
import { breakWords } from "../core/text-table.ts";
import { flagName, type Option, type OptionTable } from "../core/option.ts";
import type { Command, CommandEntry } from "./command.ts";

/** Longest line, however wide the terminal is. */
const MAX_COLUMNS = 110;

/** Column at which the help of an option begins. */
const INDENT = 34;

/** The left half of an option's help, such as `--port <port>`. */
const signature = (property: string, { argument }: Option): string =>
  `  --${flagName(property)}${argument === undefined ? "" : ` ${argument}`}`;

const notes = (row: Option): string => {
  const choices = choicesOf(row.schema);
  const parts = [
    ...(choices ? [choices.join(", ")] : []),
    ...(row.default === undefined || row.argument === undefined ? [] : [`default: ${row.default || '""'}`]),
    ...(row.unavailable === undefined ? [] : ["not available yet"]),
  ];
  return parts.length > 0 ? ` (${parts.join("; ")})` : "";
};

const describeOption = (left: string, right: string, columns: number): string => {
  const indent = columns < 2 * INDENT ? 6 : INDENT;
  const [first = "", ...rest] = breakWords(right, columns - indent);
  const margin = " ".repeat(indent);
  const head = left.length + 2 > indent ? `${left}\n${margin}${first}` : `${left.padEnd(indent)}${first}`;
  return [head, ...rest.map((line) => margin + line)].join("\n");
};

/** The options of a table by group, each with its choices and default, in lines of at most `columns`. */
export const describeOptions = (
  table: OptionTable,
  columns: number,
): readonly { readonly title: string; readonly body: string }[] =>
  Map.groupBy(Object.entries(table), ([, row]) => row.group)
    .entries()
    .map(([title, rows]) => ({
      title,
      body: rows
        .map(([property, row]) => describeOption(signature(property, row), row.help + notes(row), columns))
        .join("\n"),
    }))
    .toArray();

/** Prints the help of a command on stdout; without a name that of the program, with the list of commands. */
export const printHelp = (
  { usage, options, examples = [] }: Command,
  entries: readonly Pick<CommandEntry, "name" | "summary">[],
  { name: shownName, columns: width }: { readonly name: string | undefined; readonly columns: number },
): void => {
  const columns = Math.min(width, MAX_COLUMNS);
  const cli = cac("vllm-router");
  cli.help((sections) => [
    ...sections.filter(({ title }) => title === "Usage" || title === "Commands"),
    ...describeOptions(options, columns),
    {
      title: "Other",
      body: [
        describeOption("  -h, --help", "Prints this and ends.", columns),
        describeOption("  --version", "Prints the version and ends.", columns),
      ].join("\n"),
    },
    ...sections.filter(({ title }) => title === "Examples"),
  ]);
  for (const { name, summary } of entries) cli.command(name, summary);
  const shown = (cli.commands.find(({ name }) => name === shownName) ?? cli.globalCommand).usage(usage);
  for (const example of examples) shown.example(`  $ vllm-router ${example}`);
  shown.outputHelp();
};
