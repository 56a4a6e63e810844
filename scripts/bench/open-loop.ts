import type { Clock } from "../../src/core/clock.ts";
import type { Exchange, LoadConnection } from "./load-connection.ts";
import { percentiles, type Percentiles } from "./statistics.ts";

/** Calls `onDue` for every request of a schedule, when it is due or as soon after that as the machine allows. */
export type Pace = (schedule: Schedule, onDue: (dueAt: number) => void) => Promise<void>;

/** A fixed rate. */
export interface Schedule {
  readonly count: number;
  readonly intervalMs: number;
}

interface OpenLoopOptions {
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Connections that are open before the first request is due. */
  readonly connections: number;
  /** Sent in turn. */
  readonly requests: readonly Buffer[];
  /** Requests due in this time are sent and counted, but their latencies are those of cold code here. */
  readonly leadInMs: number;
  /** How long answers may still come after the last request was due. */
  readonly drainMs: number;
}

interface OpenLoopDeps {
  readonly connect: () => Promise<LoadConnection>;
  readonly pace: Pace;
  readonly clock: Pick<Clock, "monotonic" | "after">;
}

/** What an open loop saw; all times are milliseconds. */
export interface OpenLoopResult {
  readonly requests: number;
  /** Requests without a right answer. */
  readonly errors: number;
  /** From when a request was due to the first byte of its answer. */
  readonly first: Percentiles | undefined;
  /** From when a request was due to the last byte of its answer. */
  readonly end: Percentiles | undefined;
  /** From when a request was due to when it was sent: the generator's own share of the latencies. */
  readonly lag: Percentiles | undefined;
  /** Reads per answer, on average. */
  readonly reads: number;
}

/**
 * Sends at a fixed rate, whether or not earlier answers have come, and counts every latency from when its request
 * was due: a contender that stalls cannot hide it by holding back the requests that would have seen it.
 */
export const runOpenLoop = async (
  { ratePerSecond, seconds, connections, requests, leadInMs, drainMs }: OpenLoopOptions,
  { connect, pace, clock }: OpenLoopDeps,
): Promise<OpenLoopResult> => {
  const schedule = { count: Math.ceil(ratePerSecond * seconds), intervalMs: 1000 / ratePerSecond };
  const idle = await Promise.all(Array.from({ length: connections }, connect));
  const all = new Set(idle);
  const first: number[] = [];
  const end: number[] = [];
  const lag: number[] = [];
  let timedFrom = Number.POSITIVE_INFINITY;
  let sent = 0;
  let good = 0;
  let reads = 0;
  const { promise: answered, resolve: allAnswered } = Promise.withResolvers<void>();
  let ended = 0;

  const onEnd = (dueAt: number, { isGood, firstAt, endAt, reads: count }: Exchange): void => {
    ended += 1;
    if (isGood) {
      good += 1;
      reads += count;
    }
    if (isGood && dueAt >= timedFrom) {
      first.push(firstAt - dueAt);
      end.push(endAt - dueAt);
    }
    if (ended === schedule.count) allAnswered();
  };

  const failed = (): Exchange => ({
    isGood: false,
    firstAt: clock.monotonic(),
    endAt: clock.monotonic(),
    reads: 0,
  });

  const takeConnection = async (): Promise<LoadConnection> => {
    for (;;) {
      const connection = idle.pop();
      if (connection?.isOpen()) return connection;
      if (connection) all.delete(connection);
      else break;
    }
    const connection = await connect();
    all.add(connection);
    return connection;
  };

  const sendOn = (connection: LoadConnection, request: Buffer, dueAt: number): void => {
    if (dueAt >= timedFrom) lag.push(clock.monotonic() - dueAt);
    connection.send(request, (exchange) => {
      if (connection.isOpen()) idle.push(connection);
      onEnd(dueAt, exchange);
    });
  };

  await pace(schedule, (dueAt) => {
    const request = requests[sent % requests.length] ?? Buffer.alloc(0);
    if (sent === 0) timedFrom = dueAt + leadInMs;
    sent += 1;
    takeConnection().then(
      (connection) => sendOn(connection, request, dueAt),
      () => onEnd(dueAt, failed()),
    );
  });
  using _deadline = clock.after(drainMs, allAnswered);
  await answered;
  for (const connection of all) connection.close();

  return {
    requests: schedule.count,
    errors: schedule.count - good,
    first: percentiles(first),
    end: percentiles(end),
    lag: percentiles(lag),
    reads: good === 0 ? 0 : reads / good,
  };
};
