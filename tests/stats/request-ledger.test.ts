import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RequestObserver, RequestWatcher } from "../../src/core/request-stats.ts";
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
    expect(load).toMatchObject({ inPrefill: 0, inDecode: 0, qps: undefined });
    const tickets = [ledger.begin("e"), ledger.begin("e"), ledger.begin("e")];
    expect(load).toMatchObject({ inPrefill: 3, inDecode: 0, qps: 3 / 60 });
    tickets[0]?.firstByte();
    expect(load).toMatchObject({ inPrefill: 2, inDecode: 1, qps: 3 / 60 });
    for (const ticket of tickets) ticket.end();
    expect(load).toMatchObject({ inPrefill: 0, inDecode: 0, qps: 3 / 60 });
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

describe("the times of an engine's answers", () => {
  /** A stream with these pauses before its first bytes, each chunk after them, and its end. */
  const stream = (
    { clock, ledger }: ReturnType<typeof start>,
    [first, ...gaps]: readonly number[],
    observer?: RequestObserver,
    watcher?: RequestWatcher,
  ): Ticket => {
    const ticket = ledger.begin("e", observer, watcher);
    clock.advance(first ?? 0);
    ticket.firstByte(true);
    for (const gap of gaps) {
      clock.advance(gap);
      ticket.chunk();
    }
    return ticket;
  };

  test("are means over the window, and absent where there is nothing to take one of", () => {
    const given = start();
    const load = given.ledger.of("e");
    const absent = {
      timeToFirstTokenMs: undefined,
      interTokenMs: undefined,
      latencyMs: undefined,
      decodeLength: undefined,
      lastDataAt: undefined,
      firstRequestAt: undefined,
      finished: 0,
      failed: 0,
    };
    expect(load).toMatchObject(absent);
    stream(given, [100, 10, 30]).end("done");
    stream(given, [300, 20]).end("done");
    expect(load).toMatchObject({
      timeToFirstTokenMs: 200,
      interTokenMs: 20,
      latencyMs: (140 + 320) / 2,
      decodeLength: 2.5,
      lastDataAt: 460,
      firstRequestAt: 0,
      finished: 2,
    });
    given.clock.advance(2 * WINDOW_MS);
    expect(load).toMatchObject({ ...absent, lastDataAt: 460, firstRequestAt: 0, finished: 2 });
  });

  test("leave out what no engine answered to its end", () => {
    const given = start();
    stream(given, [100]).end("failed");
    stream(given, [300]).end("client_closed");
    given.ledger.begin("e").end("failed");
    expect(given.ledger.of("e")).toMatchObject({
      timeToFirstTokenMs: 200,
      latencyMs: undefined,
      decodeLength: undefined,
      finished: 0,
      failed: 2,
    });
  });

  test("of an answer in one piece are no times of tokens", () => {
    const { clock, ledger } = start();
    const ticket = ledger.begin("e");
    clock.advance(50);
    ticket.firstByte();
    clock.advance(5);
    ticket.chunk();
    ticket.end();
    expect(ledger.of("e")).toMatchObject({
      timeToFirstTokenMs: undefined,
      interTokenMs: undefined,
      decodeLength: undefined,
      latencyMs: 55,
      lastDataAt: 55,
    });
  });

  test("are joined by the lengths that an engine told, which count before chunks", () => {
    const given = start();
    const ticket = stream(given, [1, 1]);
    ticket.tokens({ input: 7, output: 40 });
    ticket.end();
    ticket.tokens({ input: 7, output: 1000 });
    expect(given.ledger.of("e").decodeLength).toBe(40);
  });

  test("are told once each to an observer, and without the gaps to a watcher", () => {
    const told: unknown[] = [];
    const observer: RequestObserver = {
      began: () => told.push("began"),
      streamBegan: (ms) => told.push(["stream", ms]),
      streamWentOn: (ms) => told.push(["gap", ms]),
      tokens: (usage) => told.push(usage),
      ended: (...end) => told.push(end),
    };
    const ticket = stream(start(), [100, 10], observer, observer);
    ticket.tokens({ input: 7, output: 2 });
    ticket.end("client_closed");
    ticket.end("failed");
    ticket.chunk();
    expect(told).toEqual([
      "began",
      "began",
      ["stream", 100],
      ["stream", 100],
      ["gap", 10],
      { input: 7, output: 2 },
      { input: 7, output: 2 },
      ["client_closed", 110, true],
      ["client_closed", 110, true],
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
  const outcomes = ["done", "refused", "failed", "client_closed"] as const;
  const active = { began: 0, done: 0, refused: 0, failed: 0, client_closed: 0 };
  const observer: RequestObserver = {
    began: () => (active.began += 1),
    streamBegan: () => {},
    streamWentOn: (gap) => expect(gap).toBeGreaterThanOrEqual(0),
    tokens: () => {},
    ended: (outcome) => (active[outcome] += 1),
  };
  const random = fc.sample(fc.array(fc.nat({ max: 0xffff }), { minLength: 1000, maxLength: 1000 }), {
    numRuns: 100,
    seed: 7,
  });
  for (const value of random.flat()) {
    const ticket = open[value % Math.max(1, open.length)];
    if (value % 5 < 2) open.push(ledger.begin(ENGINES[value % 3] ?? "a", observer));
    else if (value % 5 === 2) {
      ticket?.firstByte(value % 2 === 0);
      ticket?.chunk();
    } else if (value % 5 === 3) ticket?.end(outcomes[value % 4]);
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
  expect(active.began).toBe(open.length);
  expect(active.done + active.refused + active.failed + active.client_closed).toBe(open.length);
  const totals = ENGINES.map((engine) => ledger.of(engine));
  expect(totals.reduce((sum, { finished = 0 }) => sum + finished, 0)).toBe(active.done + active.refused);
  expect(totals.reduce((sum, { failed = 0 }) => sum + failed, 0)).toBe(active.failed);
  for (const engine of ENGINES) {
    const { inPrefill, inDecode } = ledger.of(engine);
    expect([engine, inPrefill, inDecode]).toEqual([engine, 0, 0]);
  }
});
