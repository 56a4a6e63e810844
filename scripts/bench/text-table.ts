import type { Spread } from "./statistics.ts";

/** A column of a table of rows. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
}

const ABSENT = "-";

/** The median, or a dash where there is none. */
export const median = (value: Spread | undefined, digits: number): string =>
  value === undefined ? ABSENT : value.median.toFixed(digits);

/** The median with the lowest and the highest in brackets. */
export const ranged = (value: Spread | undefined, digits: number): string =>
  value === undefined || value.min === value.max
    ? median(value, digits)
    : `${median(value, digits)} [${value.min.toFixed(digits)}-${value.max.toFixed(digits)}]`;

/** Cells in columns: the first aligned left, the others right. */
const align = (rows: readonly (readonly string[])[]): string => {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
};

/** A table with a line for each contender. */
export const tableOf = <Row extends { readonly contender: string }>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): string =>
  align([
    ["contender", ...columns.map(({ title }) => title)],
    ...rows.map((row) => [row.contender, ...columns.map(({ cell }) => cell(row))]),
  ]);
