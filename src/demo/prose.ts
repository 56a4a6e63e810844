/** Text that is written as it comes and never gets wider than the screen. */
export interface Prose {
  readonly add: (text: string) => void;
  /** Ends the last line. */
  readonly end: () => void;
}

interface ProseOptions {
  /** Columns of the screen. */
  readonly columns: number;
  /** Spaces before each line. */
  readonly indent: number;
}

/** Breaks lines between words, or inside of one that is longer than a line. */
export const createProse = ({ columns, indent }: ProseOptions, write: (text: string) => void): Prose => {
  const margin = " ".repeat(indent);
  const room = Math.max(1, columns - indent);
  let used = 0;
  let isFirst = true;

  const breakLine = (): void => {
    write(`\n${margin}`);
    used = 0;
  };

  const addWord = (piece: string): void => {
    if (isFirst) write(margin);
    isFirst = false;
    let rest = piece;
    // One column is left free for the mark that often follows a word as a piece of its own.
    if (rest.startsWith(" ") && used + rest.length >= room) breakLine();
    if (used === 0) rest = rest.trimStart();
    while (rest.length > room - used) {
      write(rest.slice(0, room - used));
      rest = rest.slice(room - used);
      breakLine();
    }
    write(rest);
    used += rest.length;
  };

  return {
    add: (text) => {
      for (const piece of text.match(/\n| *[^ \n]+| +/g) ?? []) {
        if (piece === "\n") breakLine();
        else addWord(piece);
      }
    },
    end: () => write("\n"),
  };
};
