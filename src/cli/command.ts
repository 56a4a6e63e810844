import type { CommandLine } from "../config/argv.ts";
import { readEnvironment } from "../config/environment.ts";
import { type Problem, describeProblem, exitCodeOf } from "../config/problem.ts";
import { defaultSettings, mergeSettings, readOptions } from "../config/sources.ts";
import type { Clock } from "../core/clock.ts";
import type { Descriptors } from "../core/descriptors.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { EngineSend } from "../core/engine-send.ts";
import type { EngineReach } from "../core/engine-reach.ts";
import type { FileWriter } from "../core/file-writer.ts";
import type { ReadHost } from "../core/host-usage.ts";
import type { KubeDoor } from "../kubernetes/api.ts";
import { escapeLine, type WriteLine } from "../core/log.ts";
import type { ReadMemory } from "../core/memory-use.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import type { StartThread } from "../core/thread.ts";
import type { Faults } from "./faults.ts";

/** Everything impure that the command line is lent. */
export interface CliPlatform {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly write: WriteLine;
  /** Width of the terminal; asked only where it matters, since it takes 10 ms to know. */
  readonly columns: () => number;
  /** Whether standard output is a terminal. */
  readonly isTerminal: (stream: "stdout" | "stderr") => boolean;
  readonly clock: Clock;
  readonly fetch: EngineFetch;
  readonly send: EngineSend;
  readonly reach: EngineReach;
  /** Absent where threads cannot share a port. */
  readonly startThread?: StartThread | undefined;
  /** How many this process may use. */
  readonly processors?: number | undefined;
  readonly readHost?: ReadHost | undefined;
  /** Begins a new file; throws where there is one already. Nothing is recorded where it is not lent. */
  readonly createFile?: ((path: string) => FileWriter) | undefined;
  /** How the API server of a cluster is reached. */
  readonly kubernetes: Pick<KubeDoor, "fetch" | "run">;
  /** Lines that were dropped until now, because their reader was slow or gone. */
  readonly droppedLines?: (() => number) | undefined;
  readonly readMemory?: ReadMemory | undefined;
  readonly collect?: (() => void) | undefined;
  readonly descriptors?: Descriptors | undefined;
  /** From 0, below 1. */
  readonly random: () => number;
  readonly faults: Faults;
  /** Calls back on every SIGHUP, which ends the process where nobody asks for it. */
  readonly onHangup: (task: () => void) => Disposable;
  /** Aborts when the process is asked to end: finish what is under way. */
  readonly stop: AbortSignal;
  /** Aborts with `stop` where nobody is left who would have to learn of it first, as at Ctrl-C. */
  readonly stopAccepting: AbortSignal;
  /** Aborts when it is asked again: end now. */
  readonly stopNow: AbortSignal;
}

/** A command with all that belongs to it. */
export interface Command {
  /** What follows the name of the program, such as `check [flags] [url ...]`. */
  readonly usage: string;
  readonly options: OptionTable;
  /** True where the options may come from `VLLM_ROUTER_*` variables as well. */
  readonly readsEnvironment?: boolean;
  readonly examples?: readonly string[];
  /** Resolves to the exit code; called with a command line that asks for neither help nor the version. */
  readonly run: (commandLine: CommandLine, platform: CliPlatform) => Promise<number>;
}

/** A row of the table of commands. */
export interface CommandEntry {
  /** The first word on the command line. */
  readonly name: string;
  /** Half a sentence for the list of commands. */
  readonly summary: string;
  /** Loads it only now, since one command's code would hold up the start of the others. */
  readonly load: () => Promise<Command>;
}

/** What went wrong outside of the router, in one line. */
export const describeError = (error: unknown): string =>
  escapeLine(error instanceof Error ? error.message : String(error));

/** Writes what is wrong to stderr, errors of usage under a line that shows the usage; returns the exit code. */
export const refuse = (
  usage: string,
  problems: readonly Problem[],
  { write }: Pick<CliPlatform, "write">,
): 1 | 2 => {
  const exitCode = exitCodeOf(problems);
  if (exitCode === 2) write("stderr", `usage: vllm-router ${usage}\n`);
  for (const problem of problems) {
    write("stderr", `vllm-router: error: ${escapeLine(describeProblem(problem))}\n`);
  }
  return exitCode;
};

interface TableCommand<Table extends OptionTable> extends Omit<Command, "options" | "run"> {
  readonly options: Table;
  readonly run: (values: OptionValues<Table>, platform: CliPlatform) => Promise<number>;
}

/** A command that takes flags only and is run with their values. */
export const tableCommand = <const Table extends OptionTable>({
  run,
  ...row
}: TableCommand<Table>): Command => ({
  ...row,
  run: async ({ settings, positionals, problems }, platform) => {
    // Variables that are no options of this command are those of the router, so they are worth no warning.
    const environment = readEnvironment(row.options, row.readsEnvironment ? platform.env : {});
    const layers = [defaultSettings(row.options), environment.settings, settings];
    const read = readOptions(row.options, mergeSettings(...layers));
    const stray = positionals.map((key): Problem => ({
      kind: "usage",
      key,
      message: "this command takes flags only",
    }));
    const all = [...problems, ...stray, ...read.problems];
    return all.length > 0 ? refuse(row.usage, all, platform) : run(read.values, platform);
  },
});
