import { createLog } from "../../src/core/log.ts";
import { createService } from "../../src/fleet/service.ts";
import { type CourtMemory, joinCourt } from "../../src/health/court.ts";
import { createOutliers, type OutlierOptions } from "../../src/health/outliers.ts";
import { candidatesAt } from "../support/candidates.ts";
import { createTestClock } from "../support/clock.ts";
import { meet, serveThread } from "../support/threads.ts";

/** What a thread does to engines that it judges together with others. */
export interface JudgingWork {
  readonly memory: CourtMemory;
  readonly row: number;
  readonly threads: number;
  /** One for each phase. */
  readonly barriers: readonly Int32Array[];
  readonly options: OutlierOptions;
  readonly urls: readonly string[];
  /** Probes now, and the most there were. */
  readonly probing: Int32Array;
}

/** What came of it in one thread. */
export interface Judged {
  readonly ejections: readonly string[];
  readonly probes: number;
  readonly state: string;
}

await serveThread(({ memory, row, threads, barriers, options, urls, probing }: JudgingWork): Judged => {
  const candidates = candidatesAt(urls);
  const ids = candidates.map(({ endpoint }) => endpoint.id);
  const ejections: string[] = [];
  const clock = createTestClock();
  const seat = { row, slotOf: (id: string) => ids.indexOf(id) };
  const outliers = createOutliers(options, {
    clock,
    log: createLog({ level: "error", format: "text" }, { clock, write: () => {} }),
    random: () => 0.5,
    healthChangedAt: () => undefined,
    onEjected: (url, trip) => ejections.push(`${url} ${trip}`),
    court: joinCourt(memory, seat),
  });
  const service = createService({ outliers, panicMode: "fail" }, { random: () => 0.5 });
  const pool = { able: candidates, members: ids };
  const endpoints = new Map(candidates.map(({ endpoint }) => [endpoint.id, endpoint]));
  service.see({ endpoints, able: new Set(ids), pools: [ids] });
  clock.advance(60_000);
  const phase = (number: number): void => meet(barriers[number] ?? new Int32Array(1), threads);

  // All engines fail, over all threads: only half of them may be ejected, each once.
  phase(0);
  for (let round = 0; round < 200; round += 1) {
    for (const { endpoint } of candidates) {
      outliers.begin(endpoint).end({ reason: "it answered 500", isUnreachable: false });
    }
  }

  phase(1);
  clock.advance(5000);
  let probes = 0;
  for (let round = 0; round < 2000; round += 1) {
    for (const { endpoint } of candidates) {
      if (outliers.standingOf(endpoint.id).state !== "half_open") continue;
      const trial = service.begin(endpoint, pool);
      if (!trial) continue;
      const kind = 2 * ids.indexOf(endpoint.id);
      const now = Atomics.add(probing, kind, 1) + 1;
      if (now > Atomics.load(probing, kind + 1)) Atomics.store(probing, kind + 1, now);
      probes += 1;
      Atomics.sub(probing, kind, 1);
      // It says nothing, so that the next one probes as well.
      trial.end("left");
    }
  }

  // One of them is answered, which all know of.
  phase(2);
  clock.advance(10_000);
  if (row === 1) {
    for (const { endpoint } of candidates) {
      const trial = service.begin(endpoint, pool);
      trial?.answered();
      trial?.end("ended");
    }
  }
  phase(3);
  const states = ids.map((id) => outliers.standingOf(id).state).sort();
  return { ejections, probes, state: states.join() };
});
