import { describe, expect, test } from "bun:test";
import type { Exchange, LoadConnection } from "../../../scripts/bench/load-connection.ts";
import { type OpenLoopResult, type Pace, runOpenLoop } from "../../../scripts/bench/open-loop.ts";
import { createTestClock, settle, type TestClock } from "../../support/clock.ts";

interface Sent {
  readonly request: string;
  readonly connection: number;
  /** Answers now. */
  readonly answer: (isGood?: boolean) => void;
}

interface Loop {
  readonly clock: TestClock;
  readonly sent: readonly Sent[];
  readonly connected: () => number;
  readonly open: () => number;
}

interface LoopOptions {
  readonly requests: number;
  readonly connections?: number;
  readonly leadInMs?: number;
  /** What happens when the nth request (from 0) has been sent. */
  readonly onSent?: (nth: number, loop: Loop) => void;
  /** How late each request is paced. */
  readonly lateMs?: number;
  readonly refusesAfter?: number;
}

/** Runs a loop of one request every 10 ms on a clock moved by hand. */
const runLoop = async (options: LoopOptions): Promise<OpenLoopResult & { readonly loop: Loop }> => {
  const { requests, connections = 1, leadInMs = 0, onSent, lateMs = 0, refusesAfter } = options;
  const clock = createTestClock();
  const sent: Sent[] = [];
  let connected = 0;
  let open = 0;
  const loop: Loop = { clock, sent, connected: () => connected, open: () => open };

  const connect = async (): Promise<LoadConnection> => {
    if (connected === refusesAfter) throw new Error("refused");
    const connection = connected;
    connected += 1;
    open += 1;
    return {
      send: (request, done) => {
        const sentAt = clock.monotonic();
        const answer = (isGood = true): void => {
          const at = clock.monotonic();
          done({ isGood, firstAt: (sentAt + at) / 2, endAt: at, reads: 2 } satisfies Exchange);
        };
        sent.push({ request: request.toString(), connection, answer });
        onSent?.(sent.length - 1, loop);
      },
      isOpen: () => true,
      close: () => void (open -= 1),
    };
  };

  const pace: Pace = async ({ count, intervalMs }, onDue) => {
    for (let index = 0; index < count; index += 1) {
      const dueAt = index * intervalMs;
      clock.advance(dueAt + lateMs - clock.monotonic());
      onDue(dueAt);
      await settle();
    }
  };

  const running = runOpenLoop(
    {
      ratePerSecond: 100,
      seconds: requests / 100,
      connections,
      requests: [Buffer.from("a"), Buffer.from("b")],
      leadInMs,
      drainMs: 1000,
    },
    { connect, pace, clock },
  );
  for (let turn = 0; turn <= requests + 1; turn += 1) await settle();
  clock.advance(1000);
  return { ...(await running), loop };
};

describe("the open loop", () => {
  test("sends the requests in turn and tells first byte, last byte and reads", async () => {
    const { requests, errors, first, end, reads, loop } = await runLoop({
      requests: 4,
      onSent: (nth, { clock, sent }) => {
        clock.advance(4);
        sent[nth]?.answer();
      },
    });
    expect(loop.sent.map(({ request }) => request)).toEqual(["a", "b", "a", "b"]);
    expect({ requests, errors, reads }).toEqual({ requests: 4, errors: 0, reads: 2 });
    expect(first).toEqual({ p50: 2, p99: 2, max: 2 });
    expect(end).toEqual({ p50: 4, p99: 4, max: 4 });
    expect(loop.open()).toBe(0);
  });

  test("does not wait for an answer: a stall is seen by every request that was due in it", async () => {
    const { end, errors, loop } = await runLoop({
      requests: 3,
      onSent: (nth, { sent }) => {
        if (nth === 2) for (const { answer } of sent) answer();
      },
    });
    expect(errors).toBe(0);
    expect(end).toEqual({ p50: 10, p99: 20, max: 20 });
    expect(loop.connected()).toBe(3);
  });

  test("uses an idle connection again", async () => {
    const { loop } = await runLoop({ requests: 5, onSent: (nth, { sent }) => sent[nth]?.answer() });
    expect(loop.connected()).toBe(1);
  });

  test("counts from when a request was due, and tells how late it was sent", async () => {
    const { end, lag } = await runLoop({
      requests: 3,
      lateMs: 3,
      onSent: (nth, { clock, sent }) => {
        clock.advance(1);
        sent[nth]?.answer();
      },
    });
    expect(lag).toEqual({ p50: 3, p99: 3, max: 3 });
    expect(end).toEqual({ p50: 4, p99: 4, max: 4 });
  });

  test("takes no latencies in the lead-in, but counts its requests", async () => {
    const { requests, errors, end } = await runLoop({
      requests: 3,
      leadInMs: 20,
      onSent: (nth, { clock, sent }) => {
        clock.advance(nth === 2 ? 1 : 5);
        sent[nth]?.answer();
      },
    });
    expect({ requests, errors }).toEqual({ requests: 3, errors: 0 });
    expect(end).toEqual({ p50: 1, p99: 1, max: 1 });
  });

  test("counts wrong answers, missing answers and refused connections as errors", async () => {
    const { requests, errors, reads } = await runLoop({
      requests: 4,
      refusesAfter: 2,
      onSent: (nth, { sent }) => {
        // Two are never answered, one is answered wrongly, and one finds no connection.
        if (nth === 1) sent[nth]?.answer(false);
      },
    });
    expect({ requests, errors, reads }).toEqual({ requests: 4, errors: 4, reads: 0 });
  });
});
