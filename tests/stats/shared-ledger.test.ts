import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  allocateCells,
  clearRow,
  clearSlot,
  type FindCells,
  joinCells,
} from "../../src/core/engine-cells.ts";
import type { RequestStats } from "../../src/core/request-stats.ts";
import { ACCOUNT_CELLS, UNDER_WAY } from "../../src/stats/account.ts";
import { createRequestLedger, type RequestLedger, type Ticket } from "../../src/stats/request-ledger.ts";
import { createTestClock } from "../support/clock.ts";
import { inThreads } from "../support/threads.ts";
import type { LedgerWork } from "./ledger-thread.ts";

const WINDOW_MS = 60_000;
const THREADS = 3;

const allocate = () => allocateCells({ rows: THREADS, slots: 4, cells: ACCOUNT_CELLS });

const start = (slots: ReadonlyMap<string, number>) => {
  const clock = createTestClock();
  const memory = allocate();
  const ledgerIn = (find?: FindCells): RequestLedger =>
    createRequestLedger({ windowMs: WINDOW_MS, find }, { clock });
  const shared = Array.from({ length: THREADS }, (_, row) =>
    ledgerIn(joinCells(memory, { row, slotOf: (id) => slots.get(id) })),
  );
  return { clock, memory, shared, alone: ledgerIn() };
};

const FIELDS = [
  "inPrefill",
  "inDecode",
  "qps",
  "finished",
  "failed",
  "firstRequestAt",
  "lastDataAt",
  "timeToFirstTokenMs",
  "interTokenMs",
  "latencyMs",
  "decodeLength",
] as const satisfies readonly (keyof RequestStats)[];

/** To twelve digits: sums of fractions depend on their order. */
const numbersOf = (stats: RequestStats) => FIELDS.map((field) => stats[field]?.toPrecision(12));

const event = fc.record({
  kind: fc.constantFrom("begin", "begin", "firstByte", "chunk", "end", "end", "wait"),
  engine: fc.constantFrom("a", "b"),
  thread: fc.nat({ max: THREADS - 1 }),
  pick: fc.nat({ max: 1_000_000 }),
  outcome: fc.constantFrom("done", "refused", "failed", "client_closed"),
});

describe("ledgers that share their accounts", () => {
  test("tell in each of them what one ledger would that had all requests", () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 20, maxLength: 150 }), (events) => {
        const { clock, shared, alone } = start(
          new Map([
            ["a", 2],
            ["b", 0],
          ]),
        );
        const tickets: (readonly [Ticket | undefined, Ticket])[] = [];
        for (const { kind, engine, thread, pick, outcome } of events) {
          const both = tickets[pick % Math.max(1, tickets.length)] ?? [];
          if (kind === "begin") tickets.push([shared[thread]?.begin(engine), alone.begin(engine)]);
          else if (kind === "wait") clock.advance(pick % 30_000);
          for (const ticket of both) {
            if (kind === "firstByte") ticket?.firstByte(pick % 2 === 0);
            if (kind === "chunk") ticket?.chunk();
            if (kind === "end") ticket?.end(outcome);
          }
          for (const ledger of shared) {
            expect(numbersOf(ledger.of(engine))).toEqual(numbersOf(alone.of(engine)));
          }
        }
        for (const [one, other] of tickets) for (const ticket of [one, other]) ticket?.end();
        for (const { of } of shared) expect(of("a")).toMatchObject({ inPrefill: 0, inDecode: 0 });
      }),
      { numRuns: 100 },
    );
  });

  test("lose nothing where threads count at once, and what a thread had under way when it died is taken out", async () => {
    const memory = allocate();
    const barrier = new Int32Array(new SharedArrayBuffer(4));
    const requests = 50_000;
    const work = (row: number, left: number): LedgerWork => ({
      memory,
      row,
      threads: THREADS - 1,
      barrier,
      requests,
      left,
    });
    const least = await inThreads(new URL("ledger-thread.ts", import.meta.url), [work(1, 0), work(2, 5)]);
    // A request is in two places for a moment, and never in none.
    expect(least).toEqual([0, 0]);

    const slots = new Map([
      ["a", 0],
      ["b", 1],
    ]);
    const clock = createTestClock();
    const { of } = createRequestLedger(
      { windowMs: WINDOW_MS, find: joinCells(memory, { row: 0, slotOf: (id) => slots.get(id) }) },
      { clock },
    );
    const [a, b] = [of("a"), of("b")];
    expect(a.inPrefill + b.inPrefill).toBe(5);
    expect((a.finished ?? 0) + (a.failed ?? 0) + (b.finished ?? 0) + (b.failed ?? 0)).toBe(2 * requests - 5);
    expect(((a.qps ?? 0) + (b.qps ?? 0)) * (WINDOW_MS / 1000)).toBeCloseTo(2 * requests);
    clearRow(memory, 2, UNDER_WAY);
    for (const { inPrefill, inDecode } of [a, b]) expect([inPrefill, inDecode]).toEqual([0, 0]);
    expect((a.finished ?? 0) + (b.finished ?? 0)).toBeGreaterThan(requests);
  });

  test("go on in the row of a thread that died", () => {
    const slots = new Map([["a", 1]]);
    const { clock, memory, shared } = start(slots);
    const [first] = shared;
    shared[1]?.begin("a").end();
    clock.advance(1000);
    const find = joinCells(memory, { row: 1, slotOf: (id) => slots.get(id) });
    const next = createRequestLedger({ windowMs: WINDOW_MS, find }, { clock });
    next.begin("a").end();
    expect(first?.of("a")).toMatchObject({ finished: 2, qps: 2 / 60, firstRequestAt: 0 });
  });

  test("begin anew with an engine that has another slot, and end what is under way in the old one", () => {
    const slots = new Map([["a", 1]]);
    const { memory, shared } = start(slots);
    const ticket = shared[1]?.begin("a");
    slots.set("a", 2);
    expect(shared[0]?.of("a")).toMatchObject({ inPrefill: 0, qps: undefined });
    shared[1]?.begin("a");
    ticket?.end();
    for (const { of } of shared) expect(of("a")).toMatchObject({ inPrefill: 1, finished: 0 });
    clearSlot(memory, 1);
    slots.set("b", 1);
    for (const { of } of shared) expect(of("b")).toMatchObject({ inPrefill: 0, finished: 0, qps: undefined });
  });

  test("count apart what has no slot", () => {
    const { shared } = start(new Map());
    shared[1]?.begin("a");
    expect(shared.map(({ of }) => of("a").inPrefill)).toEqual([0, 1, 0]);
  });
});
