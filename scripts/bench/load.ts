import { systemClock } from "../../src/platform.ts";
import { runClosedLoop } from "./closed-loop.ts";
import { connectLoad } from "./load-connection.ts";
import { runOpenLoop } from "./open-loop.ts";
import { paceFromThread } from "./pacer.ts";
import { answerBody, bodyOf, requestBytes, USERS, workloads } from "./workloads.ts";

// The load generator, a process of its own: takes a LoadJob as JSON in its argument, prints the result as JSON.

/** What the generator is to do. */
export interface LoadJob {
  readonly loop: "open" | "closed";
  /** A port of 127.0.0.1. */
  readonly port: number;
  readonly workload: string;
  readonly seconds: number;
  readonly connections: number;
}

const LEAD_IN_MS = 250;
const DRAIN_MS = 5000;

const run = async ({ loop, port, workload: name, seconds, connections }: LoadJob) => {
  const workload = workloads.find((candidate) => candidate.name === name);
  if (!workload) throw new Error(`no workload is called ${name}`);
  const { answer, ratePerSecond } = workload;
  const requests = Array.from({ length: USERS }, (_, user) =>
    requestBytes(bodyOf(workload, user), `127.0.0.1:${port}`, user),
  );
  const bodyBytes = answerBody(answer).length;
  const connect = async () => connectLoad(port, bodyBytes);
  return loop === "closed"
    ? runClosedLoop({ seconds, connections, requests }, { connect, clock: systemClock })
    : runOpenLoop(
        { ratePerSecond, seconds, connections, requests, leadInMs: LEAD_IN_MS, drainMs: DRAIN_MS },
        { connect, pace: paceFromThread, clock: systemClock },
      );
};

const result = await run(JSON.parse(process.argv[2] ?? "") as LoadJob);
process.stdout.write(`${JSON.stringify(result)}\n`);
