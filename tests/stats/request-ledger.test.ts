import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createRequestLedger, type Ticket } from "../../src/stats/request-ledger.ts";
import { createTestClock } from "../support/clock.ts";

const WINDOW_MS = 60_000;

const start = () => {
  const clock = createTestClock();
  return { clock, ledger: createRequestLedger({ windowMs: WINDOW_MS }, { clock }) };
};

describe("the load of an engine", () => {
  test("is its requests without an answer, those that stream, and the rate at which they came", () => {
    const { clock, ledger } = start();
    const load = ledger.of("e");
    expect({ ...load }).toEqual({ inPrefill: 0, inDecode: 0, qps: undefined });
    const tickets = [ledger.begin("e"), ledger.begin("e"), ledger.begin("e")];
    expect({ ...load }).toEqual({ inPrefill: 3, inDecode: 0, qps: 3 / 60 });
    tickets[0]?.firstByte();
    expect({ ...load }).toEqual({ inPrefill: 2, inDecode: 1, qps: 3 / 60 });
    for (const ticket of tickets) ticket.end();
    expect({ ...load }).toEqual({ inPrefill: 0, inDecode: 0, qps: 3 / 60 });
    clock.advance(2 * WINDOW_MS);
    // A known engine that is idle now is told from one that never had a request.
    expect(load.qps).toBe(0);
  });

  test("is counted apart from that of others", () => {
    const { ledger } = start();
    ledger.begin("a");
    expect([ledger.of("a").inPrefill, ledger.of("b").inPrefill, ledger.of("b").qps]).toEqual([
      1,
      0,
      undefined,
    ]);
  });
});

describe("a ticket", () => {
  test.each<[string, (ticket: Ticket) => void]>([
    ["ended twice", (ticket) => (ticket.end(), ticket.end())],
    ["ended before its first byte", (ticket) => (ticket.end(), ticket.firstByte())],
    ["whose first byte comes twice", (ticket) => (ticket.firstByte(), ticket.firstByte(), ticket.end())],
    [
      "ended twice in decode",
      (ticket) => (ticket.firstByte(), ticket.end(), ticket.end(), ticket.firstByte()),
    ],
  ])("%s counts once", (_what, use) => {
    const { ledger } = start();
    const other = ledger.begin("e");
    use(ledger.begin("e"));
    expect([ledger.of("e").inPrefill, ledger.of("e").inDecode]).toEqual([1, 0]);
    other.end();
    expect([ledger.of("e").inPrefill, ledger.of("e").inDecode]).toEqual([0, 0]);
  });
});

describe("engines that are gone", () => {
  test("are forgotten when they have no request left, not before", () => {
    const { ledger } = start();
    ledger.begin("idle").end();
    const ticket = ledger.begin("busy");
    ledger.keepOnly(new Set(["other"]));
    expect([ledger.of("idle").qps, ledger.of("busy").inPrefill]).toEqual([undefined, 1]);
    ticket.firstByte();
    expect(ledger.of("busy").inDecode).toBe(1);
    ticket.end();
    ledger.keepOnly(new Set(["other"]));
    expect(ledger.of("busy").qps).toBeUndefined();
  });

  test("those that stay keep their counts", () => {
    const { ledger } = start();
    const load = ledger.of("e");
    ledger.begin("e").end();
    ledger.keepOnly(new Set(["e"]));
    ledger.begin("e");
    expect([load.inPrefill, load.qps]).toEqual([1, 2 / 60]);
  });
});

/** What a ledger must agree with: plain lists of everything that happened. */
const createModel = () => {
  const phases = new Map<number, "prefill" | "decode">();
  const engineOf = new Map<number, string>();
  const begun = new Map<string, number[]>();
  return {
    begin: (ticket: number, engine: string, now: number) => {
      phases.set(ticket, "prefill");
      engineOf.set(ticket, engine);
      begun.set(engine, [...(begun.get(engine) ?? []), now]);
    },
    firstByte: (ticket: number) => {
      if (phases.get(ticket) === "prefill") phases.set(ticket, "decode");
    },
    end: (ticket: number) => phases.delete(ticket),
    count: (engine: string, phase: "prefill" | "decode"): number =>
      phases
        .entries()
        .filter(([ticket, current]) => current === phase && engineOf.get(ticket) === engine)
        .toArray().length,
    begunSince: (engine: string, time: number): number =>
      (begun.get(engine) ?? []).filter((at) => at > time).length,
    isKnown: (engine: string): boolean => begun.has(engine),
  };
};

const ENGINES = ["a", "b", "c"];

const event = fc.record({
  kind: fc.constantFrom("begin", "begin", "firstByte", "end", "end", "wait"),
  engine: fc.constantFrom(...ENGINES),
  pick: fc.nat({ max: 1_000_000 }),
});

test("tickets used in any order, twice or never again: the counts are those of a plain list, and return to 0", () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 20, maxLength: 200 }), (events) => {
      const { clock, ledger } = start();
      const model = createModel();
      const tickets: Ticket[] = [];
      for (const { kind, engine, pick } of events) {
        const index = tickets.length === 0 ? 0 : pick % tickets.length;
        if (kind === "begin") {
          model.begin(tickets.length, engine, clock.monotonic());
          tickets.push(ledger.begin(engine));
        } else if (kind === "firstByte") {
          model.firstByte(index);
          tickets[index]?.firstByte();
        } else if (kind === "end") {
          model.end(index);
          tickets[index]?.end();
        } else clock.advance(pick % 30_000);

        const load = ledger.of(engine);
        expect([load.inPrefill, load.inDecode]).toEqual([
          model.count(engine, "prefill"),
          model.count(engine, "decode"),
        ]);
        expect(load.qps !== undefined).toBe(model.isKnown(engine));
        const requests = Math.round((load.qps ?? 0) * 60);
        expect(requests).toBeLessThanOrEqual(model.begunSince(engine, clock.monotonic() - WINDOW_MS));
        expect(requests).toBeGreaterThanOrEqual(
          model.begunSince(engine, clock.monotonic() - WINDOW_MS * (59 / 60)),
        );
      }
      for (const ticket of tickets) ticket.end();
      for (const engine of ENGINES)
        expect([ledger.of(engine).inPrefill, ledger.of(engine).inDecode]).toEqual([0, 0]);
    }),
    { numRuns: 100 },
  );
});

test("after 100,000 random events every count is back at 0", () => {
  const { clock, ledger } = start();
  const open: Ticket[] = [];
  const random = fc.sample(fc.array(fc.nat({ max: 0xffff }), { minLength: 1000, maxLength: 1000 }), {
    numRuns: 100,
    seed: 7,
  });
  for (const value of random.flat()) {
    const ticket = open[value % Math.max(1, open.length)];
    if (value % 5 < 2) open.push(ledger.begin(ENGINES[value % 3] ?? "a"));
    else if (value % 5 === 2) ticket?.firstByte();
    else if (value % 5 === 3) ticket?.end();
    else clock.advance(value % 100);
    if (value % 97 === 0) ledger.keepOnly(new Set(["a", "b"]));
    for (const engine of ENGINES) {
      const { inPrefill, inDecode } = ledger.of(engine);
      if (inPrefill < 0 || inDecode < 0)
        throw new Error(`${engine} has ${inPrefill} and ${inDecode} requests`);
    }
  }
  for (const ticket of open) ticket.end();
  expect(open.length).toBeGreaterThan(30_000);
  for (const engine of ENGINES) {
    const { inPrefill, inDecode } = ledger.of(engine);
    expect([engine, inPrefill, inDecode]).toEqual([engine, 0, 0]);
  }
});
