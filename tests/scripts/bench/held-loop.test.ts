import { describe, expect, test } from "bun:test";
import { createAnswerReader } from "../../../scripts/bench/answer-reader.ts";
import { type HeldEvents, runHeldLoop } from "../../../scripts/bench/held-loop.ts";
import { createStampReader, heldWorkloads, stampedEvent } from "../../../scripts/bench/held-workloads.ts";
import { heldText } from "../../../scripts/bench/held-report.ts";
import { type HeldSample, summarizeHeld } from "../../../scripts/bench/held-summary.ts";
import { parseOpenFiles, shortOfDescriptors } from "../../../scripts/bench/measure-held.ts";

describe("a stamped event", () => {
  const events = [5, 1_234_567_890_123_456].map(stampedEvent);
  const body = Buffer.concat(events);

  test("is read wherever the bytes of a body are cut", () => {
    expect(events[0]?.length).toBe(events[1]?.length ?? 0);
    for (let cut = 0; cut <= body.length; cut += 1) {
      const stamps: number[] = [];
      const read = createStampReader((nanos) => stamps.push(nanos));
      read(body.subarray(0, cut));
      read(body.subarray(cut));
      expect(stamps).toEqual([5, 1_234_567_890_123_456]);
    }
  });

  test("is refused when any of its bytes was changed on its way", () => {
    for (let at = 0; at < (events[0]?.length ?? 0); at += 1) {
      const changed = Buffer.from(body);
      changed[at] = 0x21;
      expect(() => createStampReader(() => {})(changed)).toThrow("not the event that was sent");
    }
  });

  test("is found behind the framing of chunks, which a relay may choose anew", () => {
    const stamps: number[] = [];
    const { push } = createAnswerReader(createStampReader((nanos) => stamps.push(nanos)));
    const [head, tail] = [body.subarray(0, 7), body.subarray(7)];
    const chunks = [head, tail].map((piece) => `${piece.length.toString(16)}\r\n${piece.toString()}\r\n`);
    push(Buffer.from(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunks.join("")}`));
    expect(stamps).toEqual([5, 1_234_567_890_123_456]);
  });
});

/** Streams and a clock that the test moves: each pause of the loop is a line in `pauses`. */
const createRig = (refused = 0) => {
  const opened: HeldEvents[] = [];
  const pauses: number[] = [];
  let now = 0;
  let closed = 0;
  let asked = 0;
  return {
    opened,
    pauses,
    closed: () => closed,
    /** Called at every pause, with its number. */
    during: (_pause: number): void => {},
    deps() {
      return {
        open: async (events: HeldEvents) => {
          if (opened.length < refused) {
            opened.push(events);
            throw new Error("refused");
          }
          opened.push(events);
          return { close: () => (closed += 1) };
        },
        usage: async () => {
          asked += 1;
          return { cpuMs: asked * 100, rssBytes: asked * 1000 };
        },
        clock: {
          monotonic: () => now,
          after: (delayMs: number, task: () => void) => {
            pauses.push(delayMs);
            this.during(pauses.length);
            now += delayMs;
            task();
            return { [Symbol.dispose]: () => {} };
          },
        },
      };
    },
  };
};

const options = { streams: 120, warmUpSeconds: 1, seconds: 2 };

describe("the loop of held streams", () => {
  test("counts what comes while it measures, not what comes before", async () => {
    const rig = createRig();
    rig.during = (pause) => {
      for (const { onEvent, onRead } of rig.opened) {
        onEvent(pause === 1 ? 99 : 3);
        onEvent(pause === 1 ? 99 : 5);
        onRead();
      }
    };
    const result = await runHeldLoop(options, rig.deps());
    expect(rig.pauses).toEqual([1000, 2000]);
    expect(result).toEqual({
      streams: 120,
      errors: 0,
      chunks: 240,
      reads: 120,
      seconds: 2,
      latency: { p50: 3, p99: 5, max: 5 },
      cost: { cpuMs: 100, idleRssBytes: 1000, rssBytes: 3000 },
    });
    expect(rig.closed()).toBe(120);
  });

  test("counts streams that were refused or lost as errors", async () => {
    const rig = createRig(3);
    rig.during = (pause) => {
      if (pause === 2) rig.opened.at(-1)?.onLost();
    };
    expect(await runHeldLoop(options, rig.deps())).toMatchObject({ streams: 116, errors: 4 });
  });

  test("measures no cost where there is no contender", async () => {
    expect(await runHeldLoop(options, { ...createRig().deps(), usage: undefined })).not.toHaveProperty(
      "cost",
    );
  });
});

describe("the limit of open files", () => {
  const [workload] = heldWorkloads;

  test("is read as the hard one, and none is one", () => {
    const line = (hard: string) =>
      `Max processes  1  2  processes\nMax open files            1024      ${hard}  files\n`;
    expect(parseOpenFiles(line("20000"))).toBe(20_000);
    expect(parseOpenFiles(line("unlimited"))).toBe(Number.POSITIVE_INFINITY);
  });

  test("that is too low for a workload is told with what it takes", () => {
    if (!workload) throw new Error("there is no held workload");
    expect(shortOfDescriptors(workload, 20_000)).toBeUndefined();
    expect(shortOfDescriptors(workload, 2000)).toBe(
      "a relay needs 2256 open files, and the limit is 2000 (ulimit -Hn)",
    );
    const { name, summary, streams, gapMs } = workload;
    const missing = "too few open files";
    expect(heldText({ name, summary, streams, gapMs, missing, rows: [] })).toContain(
      "not measured: too few open files",
    );
  });
});

describe("a summary of held streams", () => {
  const sample = (contender: string, figures: Partial<HeldSample>): HeldSample => ({
    round: 1,
    contender,
    workload: "held-100",
    streams: 100,
    errors: 0,
    chunks: 1000,
    reads: 1000,
    seconds: 1,
    latency: { p50: 1, p99: 2, max: 3 },
    ...figures,
  });
  const cost = (cpuMs: number) => ({ cpuMs, idleRssBytes: 1024 * 1024, rssBytes: 11 * 1024 * 1024 });
  const reportOn = (...samples: readonly HeldSample[]) => ({
    name: "held-100",
    summary: "a few",
    streams: 100,
    gapMs: 100,
    rows: samples.map(({ contender }) => summarizeHeld(contender, "held-100", samples)),
  });

  test("tells CPU time per chunk, latency over the engine's own, and memory per stream", () => {
    const report = reportOn(
      sample("direct", {}),
      sample("bare", { cost: cost(10), latency: { p50: 2, p99: 4, max: 5 } }),
      sample("router", { cost: cost(12), latency: { p50: 2.5, p99: 6, max: 7 } }),
    );
    expect(heldText(report)).toMatch(/^router +1000 +12\.0 +1\.20 +2\.50 +6\.00 +1\.50 +4\.00 +11 +102\.4$/m);
    expect(heldText(report)).toMatch(/^direct +1000 +- +- +1\.00 +2\.00 +- +- +- +-$/m);
  });

  test("warns of streams that were lost, of a rate that was not kept, and of chunks that came merged", () => {
    const text = heldText(
      reportOn(
        sample("direct", {}),
        sample("bare", { errors: 2 }),
        sample("router", { chunks: 900, reads: 900 }),
        sample("nginx", { reads: 500 }),
      ),
    );
    expect(text).not.toContain("direct:");
    expect(text).toContain("bare: 2 streams were refused or lost");
    expect(text).toContain("router: did not keep up with 1000 chunks/s");
    expect(text).toContain("nginx: chunks came merged");
  });
});
