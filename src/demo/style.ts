/** Colours of the terminal's own palette. */
export type Colour = "cyan" | "magenta" | "yellow" | "green" | "blue";

/** Dresses text for a terminal, or leaves it as it is. */
export interface Style {
  /** False where the output is plain text: no colour, and no line is drawn twice. */
  readonly isRich: boolean;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly paint: (colour: Colour, text: string) => string;
}

/** What decides whether the output may be more than plain text. */
export interface StyleInput {
  readonly isTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const codes: Readonly<Record<Colour, number>> = { green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 };

/** Plain text unless a capable terminal reads it and NO_COLOR (no-color.org) is unset or empty. */
export const createStyle = ({ isTerminal, env }: StyleInput): Style => {
  const isRich = isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  const wrap = (code: number) => (text: string) => (isRich ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { isRich, bold: wrap(1), dim: wrap(2), paint: (colour, text) => wrap(codes[colour])(text) };
};
