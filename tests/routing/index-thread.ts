import { isMainThread } from "node:worker_threads";
import { blocksOf } from "../../src/routing/prompt-blocks.ts";
import { type IndexMemory, joinIndex } from "../../src/routing/shared-prefix-index.ts";
import { meet, serveThread } from "../support/threads.ts";

/** Prompts are so many different ones, each the beginning of one of so many blocks of 64 bytes. */
export const ROOTS = 50;
export const LONGEST = 40;

/** What a thread writes into an index that it shares. */
export interface IndexWork {
  readonly memory: IndexMemory;
  readonly row: number;
  readonly threads: number;
  readonly barrier: Int32Array;
  readonly slots: number;
  readonly rounds: number;
}

if (!isMainThread)
  await serveThread(({ memory, row, threads, barrier, slots, rounds }: IndexWork) => {
    const index = joinIndex(memory, row);
    for (let slot = 0; slot < slots; slot += 1) index.add(slot);
    meet(barrier, threads);
    let found = 0;
    for (let round = 0; round < rounds; round += 1) {
      const slot = (round * 7 + row) % slots;
      const blocks = blocksOf({
        root: `${round % ROOTS}`,
        bytes: new Uint8Array(64 * (1 + (round % LONGEST))),
      });
      index.insert(blocks, slot);
      if (index.match(blocks)[slot] === blocks.ends.at(-1)) found += 1;
      if (round % 11 === 0) index.truncate(blocks, slot, 64);
      if (round % 101 === 0) {
        index.remove(slot);
        index.add(slot);
      }
    }
    return found / rounds;
  });
