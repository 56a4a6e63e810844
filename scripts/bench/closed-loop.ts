import type { Clock } from "../../src/core/clock.ts";
import type { LoadConnection } from "./load-connection.ts";

interface ClosedLoopOptions {
  readonly seconds: number;
  readonly connections: number;
  /** Sent in turn. */
  readonly requests: readonly Buffer[];
}

interface ClosedLoopDeps {
  readonly connect: () => Promise<LoadConnection>;
  readonly clock: Pick<Clock, "monotonic">;
}

/** What a closed loop saw. */
export interface ClosedLoopResult {
  /** Right answers. */
  readonly requests: number;
  readonly errors: number;
  readonly seconds: number;
}

/** Keeps every connection busy with one request after the other. It tells of throughput, not of latency. */
export const runClosedLoop = async (
  { seconds, connections, requests }: ClosedLoopOptions,
  { connect, clock }: ClosedLoopDeps,
): Promise<ClosedLoopResult> => {
  const open = await Promise.all(Array.from({ length: connections }, connect));
  const startedAt = clock.monotonic();
  const endsAt = startedAt + seconds * 1000;
  let sent = 0;
  let good = 0;
  let errors = 0;

  const keepBusy = async (connection: LoadConnection): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const next = (): void => {
      const request = requests[sent % requests.length] ?? Buffer.alloc(0);
      sent += 1;
      connection.send(request, ({ isGood }) => {
        if (isGood) good += 1;
        else errors += 1;
        if (connection.isOpen() && clock.monotonic() < endsAt) next();
        else resolve();
      });
    };
    next();
    return promise;
  };

  await Promise.all(open.map(keepBusy));
  for (const connection of open) connection.close();
  return { requests: good, errors, seconds: (clock.monotonic() - startedAt) / 1000 };
};
