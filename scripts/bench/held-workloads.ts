import { chat, delta, event, withUsage } from "./workloads.ts";

/** Many streams that are open at once and do not end, each with an event at every gap: a row of the benchmark. */
export interface HeldWorkload {
  readonly name: string;
  readonly summary: string;
  readonly body: Buffer;
  /** The same request with usage asked for, as a router may send it. */
  readonly bodyWithUsage: Buffer;
  readonly streams: number;
  /** Whole milliseconds between two events of a stream. */
  readonly gapMs: number;
}

const held = (streams: number, gapMs: number, purpose: string): HeldWorkload => {
  const body = chat({ max_completion_tokens: streams, stream: true });
  return {
    name: `held-${streams}`,
    summary: `${streams} open streams, ${gapMs} ms between the chunks of each: ${purpose}`,
    body,
    bodyWithUsage: withUsage(body),
    streams,
    gapMs,
  };
};

/** Every held workload. At a gap of 5 ms, 1,000 streams are 200,000 chunks/s: more than any relay has on one CPU. */
export const heldWorkloads: readonly HeldWorkload[] = [
  held(1000, 50, "latency and CPU time of a chunk"),
  held(5000, 1000, "memory of a stream"),
];

/** Digits of nanoseconds for an uptime of up to 115 days. */
const STAMP_DIGITS = 16;
const stampOf = (nanos: number): string => String(nanos).padStart(STAMP_DIGITS, "0");

const blank = event(delta(` ${stampOf(0)}`, null));
const STAMP_AT = blank.indexOf(stampOf(0));
const before = blank.subarray(0, STAMP_AT);
const after = blank.subarray(STAMP_AT + STAMP_DIGITS);

/** An event that tells when it was sent, in nanoseconds; all have the same length. */
export const stampedEvent = (nanos: number): Buffer => {
  const stamped = Buffer.from(blank);
  stamped.write(stampOf(nanos), STAMP_AT, "latin1");
  return stamped;
};

/** Reads stamped events however the bytes of a body are cut. Throws when another byte than a stamp's differs. */
export const createStampReader = (onStamp: (nanos: number) => void): ((bytes: Buffer) => void) => {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let at = 0;
    for (; at + blank.length <= all.length; at += blank.length) {
      const one = all.subarray(at, at + blank.length);
      const stamp = one.toString("latin1", STAMP_AT, STAMP_AT + STAMP_DIGITS);
      const isWhole = one.subarray(0, STAMP_AT).equals(before);
      if (!isWhole || !one.subarray(STAMP_AT + STAMP_DIGITS).equals(after) || !/^\d+$/.test(stamp))
        throw new Error(`not the event that was sent: ${JSON.stringify(one.toString())}`);
      onStamp(Number(stamp));
    }
    rest = Buffer.from(all.subarray(at));
  };
};
