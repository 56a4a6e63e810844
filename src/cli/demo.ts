import { demoOptions, runDemo } from "../demo/command.ts";
import { type Command, describeError, tableCommand } from "./command.ts";

/** Shows the router at work on simulated engines. */
export const demo: Command = tableCommand({
  usage: "demo [flags]",
  options: demoOptions,
  examples: ["demo", "demo --serve"],
  run: async (values, platform) => {
    try {
      return await runDemo(values, platform);
    } catch (error) {
      platform.write("stderr", `vllm-router: error: ${describeError(error)}\n`);
      return 1;
    }
  },
});
