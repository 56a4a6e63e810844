import { join } from "node:path";
import type { ClosedLoopResult } from "./closed-loop.ts";
import { bodyOf, PATH, requestHeaders, USERS, type Workload } from "./workloads.ts";

/** A string of Lua; JSON's escapes are a subset of Lua's for the ASCII that requests are made of. */
const lua = (text: string): string => JSON.stringify(text);

const table = (fields: Readonly<Record<string, string>>): string =>
  `{${Object.entries(fields)
    .map(([name, value]) => `[${lua(name)}] = ${lua(value)}`)
    .join(", ")}}`;

/** A script that makes wrk send the workload's requests in turn and print its counts as a line of JSON. */
export const wrkScript = (workload: Workload): string => {
  const bodies = workload.variesAt === undefined ? 1 : USERS;
  return `
local bodies = {
  ${Array.from({ length: bodies }, (_, user) => lua(bodyOf(workload, user).toString())).join(",\n  ")}
}
local headers = {
  ${Array.from({ length: USERS }, (_, user) => table(requestHeaders(user))).join(",\n  ")}
}
local requests = {}
local sent = 0

init = function()
  for index = 1, #headers do
    requests[index] = wrk.format("POST", ${lua(PATH)}, headers[index], bodies[(index - 1) % #bodies + 1])
  end
end

request = function()
  sent = sent % #requests + 1
  return requests[sent]
end

done = function(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('\\n{"requests": %d, "errors": %d, "microseconds": %d}\\n',
    summary.requests, failed, summary.duration))
end
`;
};

interface WrkOptions {
  readonly workload: Workload;
  readonly port: number;
  /** A whole number. */
  readonly seconds: number;
  readonly connections: number;
  /** Gets the script. */
  readonly folder: string;
}

/** Writes the script and gives the command. */
export const wrkCommand = async (options: WrkOptions): Promise<readonly string[]> => {
  const { workload, port, seconds, connections, folder } = options;
  const script = join(folder, `${workload.name}.lua`);
  await Bun.write(script, wrkScript(workload));
  const limits = ["-t", "1", "-c", String(connections), "-d", `${seconds}s`];
  return ["wrk", ...limits, "-s", script, `http://127.0.0.1:${port}`];
};

/** Reads the counts out of everything that wrk printed. */
export const parseWrk = (output: string): ClosedLoopResult => {
  const line = /^\{"requests".*\}$/m.exec(output)?.[0];
  if (line === undefined) throw new Error(`wrk printed no counts:\n${output}`);
  const { requests, errors, microseconds } = JSON.parse(line) as Record<
    "requests" | "errors" | "microseconds",
    number
  >;
  return { requests: requests - errors, errors, seconds: microseconds / 1e6 };
};
