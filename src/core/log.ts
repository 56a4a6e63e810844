import type { Clock } from "./clock.ts";
import { createRedact } from "./redact.ts";

/** Severity words of `--log-level`, least severe first. */
export const logLevels = ["trace", "debug", "info", "warning", "error", "critical"] as const;

/** One of the severity words. */
export type LogLevel = (typeof logLevels)[number];

/** Formats of `--log-format`. */
export const logFormats = ["text", "json"] as const;

/** Where log lines go. A message becomes one line, however hostile its contents. */
export interface Log {
  readonly debug: (message: string) => void;
  readonly info: (message: string) => void;
  /** One record of several lines, each of which is escaped by itself; still one line where the format is JSON. */
  readonly infoBlock: (lines: readonly string[]) => void;
  readonly warning: (message: string) => void;
  readonly error: (message: string) => void;
  /** True when a line of this level would be written: guards messages that are costly to build. */
  readonly isEnabled: (level: LogLevel) => boolean;
}

/** Takes whole lines, each with its line feed; the stream is the one of the reference for the level. */
export type WriteLine = (stream: "stdout" | "stderr", line: string) => void;

/** Longest message in UTF-16 units; the rest is cut. */
const MAX_MESSAGE = 4096;

const LINE_BREAKERS = /[\p{Cc}\u2028\u2029]/gu;
const PLAIN = /^[\x20-\x7e]*$/;

/** Replaces control characters and line separators, so that a value from outside cannot forge a line. */
export const escapeLine = (text: string): string => {
  const cut = text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}...` : text;
  if (PLAIN.test(cut)) return cut;
  return cut.replace(
    LINE_BREAKERS,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
};

const pad = (value: number, width: number): string => String(value).padStart(width, "0");

/** `YYYY-MM-DD HH:MM:SS,mmm` in local time, as Python's logging writes it; the second's part is reused. */
const createTimestamps = (): ((epochMs: number) => string) => {
  let second = -1;
  let prefix = "";
  return (epochMs) => {
    const current = Math.floor(epochMs / 1000);
    if (current !== second) {
      second = current;
      const at = new Date(epochMs);
      const date = `${at.getFullYear()}-${pad(at.getMonth() + 1, 2)}-${pad(at.getDate(), 2)}`;
      prefix = `${date} ${pad(at.getHours(), 2)}:${pad(at.getMinutes(), 2)}:${pad(at.getSeconds(), 2)}`;
    }
    return `${prefix},${pad(Math.floor(epochMs - current * 1000), 3)}`;
  };
};

interface LogOptions {
  readonly level: LogLevel;
  readonly format: (typeof logFormats)[number];
  /** Masked wherever they stand in a message. */
  readonly secrets?: readonly string[];
  /** Whether a person reads the stream on a terminal: text is coloured there, up to the colon as in the reference. */
  readonly isColored?: (stream: "stdout" | "stderr") => boolean;
}

/** Colours of SGR (ECMA-48 section 8.3.117). */
const COLORS: Readonly<Record<LogLevel, number>> = {
  trace: 90,
  debug: 36,
  info: 32,
  warning: 33,
  error: 31,
  critical: 35,
};

/** Writes lines as the reference does: INFO and below to stdout, WARNING and above to stderr. */
export const createLog = (
  { level, format, secrets, isColored = () => false }: LogOptions,
  { clock, write }: { readonly clock: Clock; readonly write: WriteLine },
): Log => {
  const threshold = logLevels.indexOf(level);
  const timestamp = createTimestamps();
  const redact = createRedact(secrets);
  const clean = (message: string): string => redact(escapeLine(message));
  const isEnabled = (candidate: LogLevel): boolean => logLevels.indexOf(candidate) >= threshold;

  const recorder = (lineLevel: LogLevel) => {
    if (!isEnabled(lineLevel)) return () => {};
    const stream = logLevels.indexOf(lineLevel) >= logLevels.indexOf("warning") ? "stderr" : "stdout";
    const word = lineLevel.toUpperCase();
    const [color, plain] = isColored(stream) ? [`\u001b[${COLORS[lineLevel]}m`, "\u001b[0m"] : ["", ""];
    return (escaped: string): void => {
      const at = timestamp(clock.now());
      write(
        stream,
        format === "json"
          ? `${JSON.stringify({ timestamp: at, level: word, logger: "vllm_router", message: escaped })}\n`
          : `${color}[${at}] ${word}:${plain} ${escaped} (vllm_router)\n`,
      );
    };
  };

  const writer = (lineLevel: LogLevel) => {
    const record = recorder(lineLevel);
    return isEnabled(lineLevel) ? (message: string) => record(clean(message)) : record;
  };
  const recordInfo = recorder("info");

  return {
    debug: writer("debug"),
    info: writer("info"),
    infoBlock: (lines) => recordInfo(lines.map(clean).join("\n")),
    warning: writer("warning"),
    error: writer("error"),
    isEnabled,
  };
};
