import { createAdmission } from "../../src/admission/admission.ts";
import { type AdmissionMemory, joinAdmission } from "../../src/admission/shared-admission.ts";
import { systemClock } from "../../src/platform.ts";
import { meet, serveThread } from "../support/threads.ts";

/** What a thread asks of the admission that it shares. */
export interface AdmissionWork {
  readonly memory: AdmissionMemory;
  readonly row: number;
  readonly threads: number;
  readonly barrier: Int32Array;
  /** How many are inside now, and the most there were: of the router, and of each engine. */
  readonly inside: Int32Array;
  readonly clients: number;
  readonly requests: number;
  readonly maxConcurrent: number;
  readonly maxPerEngine: number;
  /** Places that it keeps when it ends. */
  readonly kept: number;
}

const ENGINES = ["a", "b"];

const note = (inside: Int32Array, kind: number): void => {
  const now = Atomics.add(inside, 2 * kind, 1) + 1;
  for (;;) {
    const most = Atomics.load(inside, 2 * kind + 1);
    if (now <= most || Atomics.compareExchange(inside, 2 * kind + 1, most, now) === most) return;
  }
};

await serveThread(async (work: AdmissionWork) => {
  const { memory, row, threads, barrier, inside, clients, requests, kept, ...limits } = work;
  const seat = { row, slotOf: (id: string) => ENGINES.indexOf(id) };
  const { room, enter } = createAdmission(
    { ...limits, queueSize: 10_000, queueTimeoutMs: 60_000 },
    {
      clock: systemClock,
      state: joinAdmission(memory, seat, { clock: systemClock }),
      metrics: { queued: () => {}, rejected: () => {} },
      isShort: () => false,
    },
  );
  const client = {
    signal: new AbortController().signal,
    dueAt: Number.POSITIVE_INFINITY,
    allowSilence: () => {},
    limitSilence: () => {},
  };
  const engineOf = (id: string) => ({ endpoint: { id }, requests: { inPrefill: 0, inDecode: 0 } });
  const engines: readonly [ReturnType<typeof engineOf>, ...ReturnType<typeof engineOf>[]] = [
    engineOf("a"),
    engineOf("b"),
  ];
  let left = kept;

  const ask = async (number: number): Promise<void> => {
    const place = await enter(client);
    note(inside, 0);
    for (let isAgain = false; ; isAgain = true) {
      const free = await room?.among(() => engines, client, isAgain);
      const engine = free?.[number % free.length];
      const on = engine && room?.take(engine);
      if (!on) continue;
      const kind = 1 + ENGINES.indexOf(engine.endpoint.id);
      note(inside, kind);
      // The way to an engine and back takes some turns of the loop.
      await new Promise((resolve) => setImmediate(resolve));
      Atomics.sub(inside, 2 * kind, 1);
      on.leave();
      break;
    }
    Atomics.sub(inside, 0, 1);
    left -= 1;
    if (left < 0) place.leave();
  };

  meet(barrier, threads);
  const all = Array.from({ length: clients }, async (_, index) => {
    for (let request = 0; request < requests; request += 1) await ask(index + request);
  });
  await Promise.all(all);
  return "done";
});
