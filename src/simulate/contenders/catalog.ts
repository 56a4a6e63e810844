import type { Contender } from "./contender.ts";
import { oracle } from "./oracle.ts";
import { random } from "./random.ts";

/** Every contender; a new one is a file and a line. */
export const contenders: readonly Contender[] = [random, oracle];
