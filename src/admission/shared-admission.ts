import type { Clock } from "../core/clock.ts";
import { buryCount, type Count, type CountPlace, joinCount } from "../core/count.ts";
import type { Seat } from "../core/engine-cells.ts";
import { createLine, type Line } from "./line.ts";
import { createQueue } from "./queue.ts";
import type { AdmissionState } from "./waiting.ts";

/** Who is under way and who waits in all threads. Plain data, to be sent to a thread. */
export interface AdmissionMemory {
  readonly numbers: Int32Array;
  readonly rows: number;
  /** Engines that there is room for. */
  readonly slots: number;
}

/** Changes when somebody is to look. */
const CALLS = 0;
/** The last number that somebody who waits was given. */
const NUMBERS = 1;
/** Totals of the counts, by their place. */
const TOTALS = 2;
const COUNTS = { underWay: 0, reading: 1, waiting: 2 } as const;
const LINES = { places: 0, engines: 1 } as const;
const ROWS = TOTALS + 3;
/** Numbers of a thread beside those of engines: its counts. */
const ROW = 3;

type Where = Pick<AdmissionMemory, "rows" | "slots">;

const headsAt = ({ rows }: Where, line: keyof typeof LINES): number => ROWS + rows * ROW + LINES[line] * rows;
const engineAt = ({ rows, slots }: Where, row: number): number => ROWS + rows * (ROW + 2) + (row + 1) * slots;

/** Room for the counts of so many threads and engines. */
export const allocateAdmission = (size: Where): AdmissionMemory => {
  const length = engineAt(size, size.rows);
  return { ...size, numbers: new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT)) };
};

const placeOf = ({ numbers }: AdmissionMemory, row: number, count: keyof typeof COUNTS): CountPlace => ({
  numbers,
  total: TOTALS + COUNTS[count],
  own: ROWS + row * ROW + COUNTS[count],
});

const placeOn = (memory: AdmissionMemory, row: number, slot: number): CountPlace => ({
  numbers: memory.numbers,
  total: engineAt(memory, -1) + slot,
  own: engineAt(memory, row) + slot,
});

const call = ({ numbers }: AdmissionMemory): void => {
  Atomics.add(numbers, CALLS, 1);
  Atomics.notify(numbers, CALLS);
};

const headsOf = (memory: AdmissionMemory, line: keyof typeof LINES): Int32Array => {
  const start = headsAt(memory, line);
  return memory.numbers.subarray(start, start + memory.rows);
};

/** How many requests have room on the engine of a slot. */
export const countOn = ({ numbers, ...size }: AdmissionMemory, slot: number): number =>
  Atomics.load(numbers, engineAt(size, -1) + slot);

/** Gives back what a thread had that is gone, to those who wait. */
export const buryAdmission = (memory: AdmissionMemory, row: number): void => {
  for (const count of ["underWay", "reading", "waiting"] as const) buryCount(placeOf(memory, row, count));
  for (let slot = 0; slot < memory.slots; slot += 1) buryCount(placeOn(memory, row, slot));
  for (const line of ["places", "engines"] as const) Atomics.store(headsOf(memory, line), row, 0);
  call(memory);
};

/** The state of an admission that several threads share: exact, first come first served over all of them. */
export const joinAdmission = (
  memory: AdmissionMemory,
  { row, slotOf }: Seat,
  { clock }: { readonly clock: Clock },
): AdmissionState => {
  const { numbers } = memory;
  const onEngines = new Map<number, Count>();
  let isListening = false;

  const wait = (): void => {
    const calls = Atomics.load(numbers, CALLS);
    const { async: isWaiting, value } = Atomics.waitAsync(numbers, CALLS, calls);
    if (isWaiting) void value.then(look);
    else queueMicrotask(look);
  };
  const look = (): void => {
    isListening = places.depth() + engines.depth() > 0;
    if (!isListening) return;
    wait();
    places.advance();
    engines.advance();
  };
  const lineOf = (line: keyof typeof LINES): Line =>
    createLine({
      heads: headsOf(memory, line),
      row,
      next: () => Atomics.add(numbers, NUMBERS, 1) + 1,
      call: () => call(memory),
      listen: () => {
        if (isListening) return;
        isListening = true;
        wait();
      },
    });
  const places = createQueue({ clock, line: lineOf("places") });
  const engines = createQueue({ clock, line: lineOf("engines") });

  return {
    underWay: joinCount(placeOf(memory, row, "underWay")),
    reading: joinCount(placeOf(memory, row, "reading")),
    waiting: joinCount(placeOf(memory, row, "waiting")),
    places,
    engines,
    onEngine: (endpointId) => {
      const slot = slotOf(endpointId);
      if (slot === undefined) return undefined;
      let count = onEngines.get(slot);
      if (!count) onEngines.set(slot, (count = joinCount(placeOn(memory, row, slot))));
      return count;
    },
  };
};
