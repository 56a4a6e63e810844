import { runSimulate } from "../simulate/command.ts";
import { simulateOptions } from "../simulate/options.ts";
import { type Command, describeError, tableCommand } from "./command.ts";

/** Compares routing policies on simulated engines, in virtual time. */
export const simulate: Command = tableCommand({
  usage: "simulate [flags]",
  options: simulateOptions,
  examples: [
    "simulate --policies roundrobin,session --workload multi-round",
    "simulate --trace conversation_trace.jsonl --engines 4xfast,4xslow --rate 2",
  ],
  run: async (values, { clock, write, columns, stop }) => {
    try {
      await runSimulate(values, {
        clock,
        write: (text) => write("stdout", text),
        columns,
        writeFile: async (path, text) => {
          await Bun.write(path, text);
        },
        readFile: async (path) => Bun.file(path).text(),
        signal: stop,
      });
      return 0;
    } catch (error) {
      write("stderr", `vllm-router: error: ${describeError(error)}\n`);
      return 1;
    }
  },
});
