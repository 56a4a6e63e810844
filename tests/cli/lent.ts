import { createFaults } from "../../src/cli/faults.ts";
import type { CliPlatform } from "../../src/cli/command.ts";
import { dial } from "../../src/dial.ts";
import { createEngineSend } from "../../src/proxy/engine-send.ts";
import {
  engineFetch,
  engineReach,
  kubeFetch,
  runProgram,
  systemClock,
  systemRandom,
} from "../../src/platform.ts";

/** A platform for the command line, with what was written through it. */
export interface LentPlatform {
  readonly platform: CliPlatform;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when a line that matches has been written to either stream. */
  readonly line: (pattern: RegExp) => Promise<string>;
  readonly stop: AbortController;
  readonly stopAccepting: AbortController;
  readonly stopNow: AbortController;
}

/** Lends everything real, but for the streams, the environment and the signals. */
export const lendPlatform = (changes: Partial<CliPlatform> = {}): LentPlatform => {
  const written: { readonly stream: "stdout" | "stderr"; readonly line: string }[] = [];
  const waiting: { readonly pattern: RegExp; readonly resolve: (line: string) => void }[] = [];
  const stop = new AbortController();
  const stopAccepting = new AbortController();
  const stopNow = new AbortController();
  const write = (stream: "stdout" | "stderr", line: string): void => {
    written.push({ stream, line });
    for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve(line);
  };
  const textOf = (stream: "stdout" | "stderr") => () =>
    written
      .filter((entry) => entry.stream === stream)
      .map(({ line }) => line)
      .join("");
  return {
    platform: {
      env: {},
      write,
      columns: () => 100,
      isTerminal: () => false,
      clock: systemClock,
      fetch: engineFetch,
      send: createEngineSend({ dial, fetch: engineFetch }),
      reach: engineReach,
      kubernetes: { fetch: kubeFetch, run: runProgram },
      random: systemRandom,
      faults: createFaults(write),
      onHangup: () => ({ [Symbol.dispose]: () => {} }),
      stop: stop.signal,
      stopAccepting: stopAccepting.signal,
      stopNow: stopNow.signal,
      ...changes,
    },
    stdout: textOf("stdout"),
    stderr: textOf("stderr"),
    line: async (pattern) => {
      const known = written.find(({ line }) => pattern.test(line));
      if (known) return known.line;
      const { promise, resolve } = Promise.withResolvers<string>();
      waiting.push({ pattern, resolve });
      return promise;
    },
    stop,
    stopAccepting,
    stopNow,
  };
};
