/** A file that lines are added to; disposing it writes what is left and closes it. */
export interface FileWriter extends AsyncDisposable {
  /** Never makes the caller wait; lines that a slow disk cannot take are dropped. */
  readonly write: (line: string) => void;
}
