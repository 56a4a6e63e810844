import type { Contender } from "./contender.ts";
import { dynamo } from "./dynamo.ts";
import { llmd, llmdSticky } from "./llm-d.ts";
import { oracle } from "./oracle.ts";
import { random } from "./random.ts";
import { smgCacheAware } from "./smg-cache-aware.ts";

/** Every contender; a new one is a file and a line. */
export const contenders: readonly Contender[] = [random, smgCacheAware, llmd, llmdSticky, dynamo, oracle];
