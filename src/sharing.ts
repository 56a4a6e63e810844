import type { Config } from "./config/config.ts";
import {
  allocateAdmission,
  type AdmissionMemory,
  buryAdmission,
  countOn,
} from "./admission/shared-admission.ts";
import {
  allocateCells,
  type CellsMemory,
  clearRow,
  clearSlot,
  type Seat,
  sumInSlot,
} from "./core/engine-cells.ts";
import type { Log } from "./core/log.ts";
import { createSlots, type Slots } from "./core/slots.ts";
import { allocateCourt, buryCourt, clearCourt, type CourtMemory } from "./health/court.ts";
import { allocateRouting, buryRouting, clearRouting, type RoutingMemory } from "./routing/shared-routing.ts";
import { ACCOUNT_CELLS, UNDER_WAY } from "./stats/account.ts";

/** What several threads that serve one router have in common. Plain data, to be sent to a thread. */
export interface SharedMemory {
  readonly ledger: CellsMemory;
  readonly admission: AdmissionMemory;
  readonly routing: RoutingMemory;
  /** By the options of `outliers`. */
  readonly court: CourtMemory;
}

/** A thread's part in it. */
export interface Sharing {
  readonly seat: Seat;
  /** As it is for the next router that is made. */
  readonly memory: SharedMemory;
}

/** Engines whose numbers are shared; more than that are counted by each thread for itself. */
const MAX_SLOTS = 4096;

/** How engines are judged. */
interface Judging {
  readonly outliers?: Config["outliers"];
}

const allocateCourtFor = (rows: number, { outliers }: Judging): CourtMemory =>
  allocateCourt({ rows, slots: MAX_SLOTS }, outliers?.breaker?.failureThreshold);

/** Memory for so many threads, each with a row; only what is written takes up any. */
export const allocateSharing = (rows: number, config: Judging): SharedMemory => ({
  ledger: allocateCells({ rows, slots: MAX_SLOTS, cells: ACCOUNT_CELLS }),
  admission: allocateAdmission({ rows, slots: MAX_SLOTS }),
  routing: allocateRouting({ rows, slots: MAX_SLOTS }),
  court: allocateCourtFor(rows, config),
});

/** The memory for the next router: what engines are judged by otherwise begins anew. */
export const renewSharing = (memory: SharedMemory, before: Judging, config: Judging): SharedMemory =>
  Bun.deepEquals(before.outliers, config.outliers, true)
    ? memory
    : { ...memory, court: allocateCourtFor(memory.ledger.rows, config) };

/** Ends what was under way in a thread that is gone; another one may have its row then. */
export const bury = ({ ledger, admission, routing, court }: SharedMemory, row: number): void => {
  buryCourt(court, row);
  buryRouting(routing, row);
  clearRow(ledger, row, UNDER_WAY);
  buryAdmission(admission, row);
};

/** Gives the slots of this memory to engines. */
export const createMemorySlots = (
  sharing: Pick<Sharing, "memory">,
  { log }: { readonly log: Pick<Log, "warning"> },
): Slots =>
  createSlots({
    size: MAX_SLOTS,
    isBusy: (slot) => {
      const { ledger, admission } = sharing.memory;
      return countOn(admission, slot) > 0 || UNDER_WAY.some((place) => sumInSlot(ledger, slot, place) > 0);
    },
    clear: (slot) => {
      const { ledger, routing, court } = sharing.memory;
      clearCourt(court, slot);
      clearSlot(ledger, slot);
      clearRouting(routing, slot);
    },
    onFull: () =>
      log.warning(
        `There are more than ${MAX_SLOTS} engines: of those beyond, each worker knows its own requests only`,
      ),
  });
