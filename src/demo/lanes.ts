/** Lines at the foot of the screen that change while several answers come at once. */
export interface Lanes extends Disposable {
  /** Gives a lane its text; one that is too long shows its end. */
  readonly set: (lane: number, label: string, text: string) => void;
}

interface LanesOptions {
  readonly count: number;
  readonly columns: number;
  /** Dresses a label without changing its width. */
  readonly dress: (label: string) => string;
}

const UP_AND_CLEAR = "\u001b[A\u001b[2K";

const cut = (label: string, text: string, columns: number): readonly [label: string, text: string] => {
  // The last column stays free: a character in it makes some terminals begin a new line.
  const room = columns - 1 - label.length;
  if (room < 2) return [label.slice(0, Math.max(0, columns - 1)), ""];
  return [label, text.length <= room ? text : `…${text.slice(text.length - room + 1)}`];
};

/** Draws the lanes anew at each change; disposing them wipes them off. Only for terminals. */
export const createLanes = (
  { count, columns, dress }: LanesOptions,
  write: (text: string) => void,
): Lanes => {
  const lines: string[] = Array.from({ length: count }, () => "");
  const wipe = `\r${UP_AND_CLEAR.repeat(count)}`;
  write("\n".repeat(count));
  return {
    set: (lane, label, text) => {
      const [shownLabel, shownText] = cut(label, text, columns);
      lines[lane] = `${dress(shownLabel)}${shownText}`;
      write(`${wipe}${lines.join("\n")}\n`);
    },
    [Symbol.dispose]: () => write(wipe),
  };
};
