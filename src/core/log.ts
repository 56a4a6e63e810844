/** Severity words of `--log-level`, least severe first. */
export const logLevels = ["trace", "debug", "info", "warning", "error", "critical"] as const;

/** One of the severity words. */
export type LogLevel = (typeof logLevels)[number];

/** Where log lines go. A message is one line; values from outside are escaped and cut by the log. */
export interface Log {
  readonly debug: (message: string) => void;
  readonly info: (message: string) => void;
  readonly warning: (message: string) => void;
  readonly error: (message: string) => void;
  /** True when a line of this level would be written: guards messages that are costly to build. */
  readonly isEnabled: (level: LogLevel) => boolean;
}
