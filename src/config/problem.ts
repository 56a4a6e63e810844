/** Something that keeps the router from starting. */
export interface Problem {
  /** `usage`: the command line cannot be read (exit 2); `configuration`: what it says cannot be done (exit 1). */
  readonly kind: "usage" | "configuration";
  /** What to correct: a flag, an environment variable or an argument. */
  readonly key: string;
  /** What is wrong with it and what would be right. */
  readonly message: string;
}

/** The problem as one sentence that names its key. */
export const describeProblem = ({ key, message }: Problem): string =>
  message.startsWith(key) ? message : `${key}: ${message}`;

/** The exit code for problems: 2 as soon as one of them is of usage, else 1. */
export const exitCodeOf = (problems: readonly Problem[]): 1 | 2 =>
  problems.some(({ kind }) => kind === "usage") ? 2 : 1;
