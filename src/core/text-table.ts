/** A column of a table. */
export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** Its cells are broken between words where the screen is too narrow. */
  readonly isFlexible?: true;
  /** Dresses a padded cell; the text without padding tells which one it is. */
  readonly dress?: (padded: string, text: string) => string;
}

/** A table for a screen. */
export interface Table {
  readonly columns: readonly Column[];
  /** One text for each column. */
  readonly rows: readonly (readonly string[])[];
}

const GAP = "  ";
/** A flexible column that would be narrower than this is not worth reading. */
const LEAST_FLEXIBLE = 12;

/** A text in lines of at most so many characters, but for words that are longer. */
export const breakWords = (text: string, width: number): readonly string[] => {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
};

const pad = (text: string, width: number, { align }: Column): string =>
  align === "right" ? text.padStart(width) : text.padEnd(width);

/** Widths of the columns; `undefined` where the table cannot be as narrow as the screen. */
const fit = ({ columns, rows }: Table, screen: number): readonly number[] | undefined => {
  const natural = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  const total = natural.reduce((sum, width) => sum + width, 0) + GAP.length * (columns.length - 1);
  const flexible = columns.findIndex(({ isFlexible }) => isFlexible);
  const left = (natural[flexible] ?? 0) - Math.max(0, total - screen);
  if (total > screen && left < LEAST_FLEXIBLE) return undefined;
  return natural.map((width, index) => (index === flexible ? left : width));
};

const describeRecords = ({ columns, rows }: Table, screen: number): readonly string[] =>
  rows.flatMap((row, index) => [
    ...(index > 0 ? [""] : []),
    ...columns.flatMap(({ title, dress = (part) => part }, place) => {
      const text = row[place] ?? "";
      const label = `${title}: `;
      return breakWords(text, screen - label.length).map(
        (part, line) => (line === 0 ? label : " ".repeat(label.length)) + dress(part, text),
      );
    }),
  ]);

/**
 * The lines of a table for a screen of so many columns: the flexible column is broken between words where needed,
 * and where even that is too wide each row becomes a few lines of its own.
 */
export const renderTable = (table: Table, screen: number): readonly string[] => {
  const widths = fit(table, screen);
  if (!widths) return describeRecords(table, screen);
  const { columns, rows } = table;

  const renderRow = (row: readonly string[], isHead: boolean): readonly string[] => {
    const cells = columns.map((_, index) => breakWords(row[index] ?? "", widths[index] ?? 0));
    const height = Math.max(...cells.map(({ length }) => length));
    return Array.from({ length: height }, (_, line) =>
      columns
        .map((column, index) => {
          const part = cells[index]?.[line] ?? "";
          const padded = pad(part, widths[index] ?? 0, column);
          return isHead || part === "" || !column.dress ? padded : column.dress(padded, row[index] ?? "");
        })
        .join(GAP)
        .trimEnd(),
    );
  };

  const head = columns.map(({ title }) => title);
  const rule = columns.map((_, index) => "─".repeat(widths[index] ?? 0)).join(GAP);
  return [...renderRow(head, true), rule, ...rows.flatMap((row) => renderRow(row, false))];
};
