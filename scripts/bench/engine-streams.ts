import { chunk, type Parts, streamHead } from "./engine-bytes.ts";
import { createHeldStreams, TICK_MS } from "./held-streams.ts";
import { type HeldWorkload, stampedEvent } from "./held-workloads.ts";

/** What goes over connections a tick after the other. */
export interface EngineStreams<Sink> {
  /** Sends the first part at once and each further one at a tick. */
  readonly play: (sink: Sink, parts: Parts) => void;
  /** Sends the head and a stamped event at once, and an event at every gap until the connection is forgotten. */
  readonly hold: (sink: Sink, workload: HeldWorkload) => void;
  readonly forget: (sink: Sink) => void;
}

interface EngineStreamsDeps<Sink> {
  /** The clock of the stamps, in nanoseconds. */
  readonly nanos: () => number;
  readonly write: (sink: Sink, bytes: Buffer) => void;
}

interface Stream<Sink> {
  readonly sink: Sink;
  readonly parts: Parts;
  sent: number;
}

/** Keeps the streams of an engine, with one timer for all of them while there are any. */
export const createEngineStreams = <Sink>(
  heldWorkloads: readonly HeldWorkload[],
  { nanos, write }: EngineStreamsDeps<Sink>,
): EngineStreams<Sink> => {
  const streams = new Set<Stream<Sink>>();
  const stamped = (): Buffer => chunk(stampedEvent(nanos()));
  const held = new Map(
    heldWorkloads.map((workload) => [
      workload,
      createHeldStreams<Sink>(workload.gapMs, {
        monotonic: () => performance.now(),
        send: (sink) => write(sink, stamped()),
      }),
    ]),
  );
  let ticking: Timer | undefined;

  const tick = (): void => {
    for (const stream of streams) {
      const part = stream.parts[stream.sent];
      if (part) write(stream.sink, part);
      stream.sent += 1;
      if (stream.sent >= stream.parts.length) streams.delete(stream);
    }
    for (const { tick: heldTick } of held.values()) heldTick();
    if (streams.size > 0 || held.values().some(({ count }) => count() > 0)) return;
    clearInterval(ticking);
    ticking = undefined;
  };

  return {
    play: (sink, parts) => {
      write(sink, parts[0]);
      if (parts.length === 1) return;
      streams.add({ sink, parts, sent: 1 });
      ticking ??= setInterval(tick, TICK_MS);
    },
    hold: (sink, workload) => {
      write(sink, Buffer.concat([streamHead, stamped()]));
      held.get(workload)?.open(sink);
      ticking ??= setInterval(tick, TICK_MS);
    },
    forget: (sink) => {
      for (const stream of streams) if (stream.sink === sink) streams.delete(stream);
      for (const { close } of held.values()) close(sink);
    },
  };
};
