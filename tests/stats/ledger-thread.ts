import { type CellsMemory, joinCells } from "../../src/core/engine-cells.ts";
import { createRequestLedger, type Ticket } from "../../src/stats/request-ledger.ts";
import { createTestClock } from "../support/clock.ts";
import { meet, serveThread } from "../support/threads.ts";

/** What a thread does to the accounts that it shares. */
export interface LedgerWork {
  readonly memory: CellsMemory;
  readonly row: number;
  readonly threads: number;
  readonly barrier: Int32Array;
  readonly requests: number;
  /** Requests that it leaves under way. */
  readonly left: number;
}

await serveThread(({ memory, row, threads, barrier, requests, left }: LedgerWork) => {
  const slots = new Map([
    ["a", 0],
    ["b", 1],
  ]);
  const clock = createTestClock();
  const find = joinCells(memory, { row, slotOf: (id) => slots.get(id) });
  const ledger = createRequestLedger({ windowMs: 60_000, find }, { clock });
  const open: Ticket[] = [];
  let least = 0;
  meet(barrier, threads);
  for (let request = 0; request < requests; request += 1) {
    open.push(ledger.begin(request % 2 === 0 ? "a" : "b"));
    const oldest = open.length > 8 ? open.shift() : undefined;
    oldest?.firstByte(true);
    oldest?.chunk();
    oldest?.end(request % 3 === 0 ? "failed" : "done");
    const { inPrefill, inDecode } = ledger.of("a");
    least = Math.min(least, inPrefill, inDecode);
  }
  for (const ticket of open.splice(left)) ticket.end();
  return least;
});
