import { agentic } from "./agentic.ts";
import { burst } from "./burst.ts";
import { multiRound } from "./multi-round.ts";
import { sameFirstBlock } from "./same-first-block.ts";
import { sharedPrefix } from "./shared-prefix.ts";
import { uniform } from "./uniform.ts";
import type { WorkloadModule } from "./workload.ts";

/** Every workload that can be generated; a new one is a file and a line. */
export const workloads: readonly WorkloadModule[] = [
  sharedPrefix,
  multiRound,
  agentic,
  burst,
  uniform,
  sameFirstBlock,
];
