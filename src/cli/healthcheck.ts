import { serverOptions } from "../config/options/server.ts";
import { text } from "../config/schemas.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import { type CliPlatform, type Command, describeError, tableCommand } from "./command.ts";

const TIMEOUT_MS = 3000;

const options = {
  url: {
    group: "Healthcheck",
    argument: "<url>",
    schema: text,
    help: "Base URL of the router; made from --host and --port when unset.",
  },
  host: { ...serverOptions.host, group: "Healthcheck", help: "Address on which the router listens." },
  port: { ...serverOptions.port, group: "Healthcheck", help: "Port on which the router listens." },
} as const satisfies OptionTable;

/** The address at which a server that listens on `host` answers to itself. */
const reachable = (host: string): string => {
  const address = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
};

const run = async (
  { url, host, port }: OptionValues<typeof options>,
  { write, fetch, clock }: Pick<CliPlatform, "write" | "fetch" | "clock">,
): Promise<number> => {
  const target = `${(url ?? `http://${reachable(host)}:${port}`).replace(/\/+$/, "")}/health`;
  const deadline = new AbortController();
  using _timer = clock.after(TIMEOUT_MS, () =>
    deadline.abort(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)),
  );
  try {
    const response = await fetch(target, {
      method: "GET",
      headers: new Headers(),
      signal: deadline.signal,
      fresh: true,
    });
    write(response.ok ? "stdout" : "stderr", `${target} answered ${response.status}\n`);
    return response.ok ? 0 : 1;
  } catch (error) {
    write("stderr", `${target} failed: ${describeError(error)}\n`);
    return 1;
  }
};

/** Asks a running router for its health, for containers without a shell. */
export const healthcheck: Command = tableCommand({
  usage: "healthcheck [flags]",
  options,
  readsEnvironment: true,
  examples: ["healthcheck --port 8000"],
  run,
});
