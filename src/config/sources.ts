import * as v from "valibot";
import { flagName, type Option, type OptionTable, type OptionValues } from "../core/option.ts";
import type { Problem } from "./problem.ts";

/** A value as it was given, with where it comes from. */
export interface Setting {
  readonly text: string;
  readonly source: "default" | "file" | "environment" | "flag";
  /** The name under which it was given, such as `--port`, `VLLM_ROUTER_PORT` or `port in router.yaml`. */
  readonly name: string;
}

/** Settings by the property name of their option. */
export type Settings = ReadonlyMap<string, Setting>;

/** The defaults of a table. */
export const defaultSettings = (table: OptionTable): Settings =>
  new Map(
    Object.entries(table).flatMap(([property, row]): [string, Setting][] =>
      row.default === undefined
        ? []
        : [[property, { text: row.default, source: "default", name: `--${flagName(property)}` }]],
    ),
  );

/** One set of settings out of several; a later one wins. */
export const mergeSettings = (...layers: readonly Settings[]): Settings =>
  new Map(layers.flatMap((layer) => layer.entries().toArray()));

/** The name by which a person knows an option: as it was given, else its flag. */
export const nameOf = (settings: Settings, property: string): string =>
  settings.get(property)?.name ?? `--${flagName(property)}`;

/** Options that were read, beside the problems of those that were not. */
export interface ReadOptions<Table extends OptionTable> {
  /** A value that could not be read is replaced by its default. */
  readonly values: OptionValues<Table>;
  /** Properties whose value could not be read or is refused. */
  readonly failed: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

const isRefused = (row: Option, { text, source }: Setting): boolean =>
  row.unavailable !== undefined &&
  source !== "default" &&
  text !== (row.default ?? "") &&
  // A switch has several words for off.
  !(row.argument === undefined && v.safeParse(row.schema, text).output === false);

const problemOf = (row: Option, setting: Setting): Omit<Problem, "key"> | undefined => {
  if (isRefused(row, setting)) return { kind: "configuration", message: row.unavailable ?? "" };
  const result = v.safeParse(row.schema, setting.text, { abortPipeEarly: true });
  if (result.success) return undefined;
  const [issue] = result.issues;
  return {
    kind: setting.source === "flag" && issue.kind !== "validation" ? "usage" : "configuration",
    message: row.secret ? "the value is not valid" : issue.message,
  };
};

/** Reads the value of every row of a table from settings. */
export const readOptions = <const Table extends OptionTable>(
  table: Table,
  settings: Settings,
): ReadOptions<Table> => {
  const problems: Problem[] = [];
  const failed = new Set<string>();
  const values = Object.entries(table).map(([property, row]) => {
    const setting = settings.get(property);
    const problem = setting && problemOf(row, setting);
    if (setting && problem) {
      problems.push({ key: setting.name, ...problem });
      failed.add(property);
    }
    const text = problem ? row.default : setting?.text;
    return [property, text === undefined ? undefined : v.parse(row.schema, text)];
  });
  return { values: Object.fromEntries(values) as OptionValues<Table>, failed, problems };
};
