import { systemClock } from "../../src/platform.ts";
import { runClosedLoop } from "./closed-loop.ts";
import { readUsage } from "./cpu.ts";
import { openHeldStream } from "./held-connection.ts";
import { runHeldLoop } from "./held-loop.ts";
import { heldWorkloads } from "./held-workloads.ts";
import { connectLoad } from "./load-connection.ts";
import { openMonotonicClock } from "./monotonic.ts";
import { runOpenLoop } from "./open-loop.ts";
import { paceFromThread } from "./pacer.ts";
import { answerBody, bodyOf, requestBytes, USERS, workloads } from "./workloads.ts";

// The load generator, a process of its own: takes a LoadJob as JSON in its argument, prints the result as JSON.

interface JobFields {
  /** A port of 127.0.0.1. */
  readonly port: number;
  readonly workload: string;
  readonly seconds: number;
}

interface RequestsJob extends JobFields {
  readonly loop: "open" | "closed";
  readonly connections: number;
  /** Of the open loop, instead of the workload's own. */
  readonly ratePerSecond?: number;
}

interface HeldJob extends JobFields {
  readonly loop: "held";
  readonly warmUpSeconds: number;
  /** The contender's process, where it has one. */
  readonly pid: number | undefined;
}

/** What the generator is to do. */
export type LoadJob = RequestsJob | HeldJob;

const LEAD_IN_MS = 250;
const DRAIN_MS = 5000;

const rowOf = <Row extends { readonly name: string }>(rows: readonly Row[], name: string): Row => {
  const row = rows.find((candidate) => candidate.name === name);
  if (!row) throw new Error(`no workload is called ${name}`);
  return row;
};

const hold = async ({ port, workload, seconds, warmUpSeconds, pid }: HeldJob) => {
  const { body, streams } = rowOf(heldWorkloads, workload);
  const nanos = openMonotonicClock();
  let user = 0;
  return runHeldLoop(
    { streams, warmUpSeconds, seconds },
    {
      open: async (events) => {
        user += 1;
        const request = requestBytes(body, `127.0.0.1:${port}`, user);
        return openHeldStream({ port, request, nanos }, events);
      },
      usage: pid === undefined ? undefined : async () => readUsage(pid),
      clock: systemClock,
    },
  );
};

const send = async (given: RequestsJob) => {
  const { loop, port, workload: name, seconds, connections } = given;
  const workload = rowOf(workloads, name);
  const { answer } = workload;
  const { ratePerSecond = workload.ratePerSecond } = given;
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

const job = JSON.parse(process.argv[2] ?? "") as LoadJob;
const result = await (job.loop === "held" ? hold(job) : send(job));
process.stdout.write(`${JSON.stringify(result)}\n`);
