/** A program that is run for what it prints. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** It is killed after so long. */
  readonly timeoutMs: number;
}

/** Resolves to what it has printed on standard output; rejects when it cannot run or fails, with the reason. */
export type RunProgram = (program: Program) => Promise<string>;
