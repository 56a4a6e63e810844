import { runMockEngine } from "../mock-engine/command.ts";
import { mockEngineOptions } from "../mock-engine/options.ts";
import { type Command, describeError, tableCommand } from "./command.ts";

/** Simulates one vLLM engine until the process is asked to end. */
export const mockEngine: Command = tableCommand({
  usage: "mock-engine [flags]",
  options: mockEngineOptions,
  examples: ["mock-engine --port 9001 --served-model-name facebook/opt-125m"],
  run: async (values, { clock, fetch, write, stop }) => {
    try {
      await runMockEngine(values, { clock, fetch, write: (text) => write("stdout", text), signal: stop });
      return 0;
    } catch (error) {
      write("stderr", `vllm-router: error: ${describeError(error)}\n`);
      return 1;
    }
  },
});
