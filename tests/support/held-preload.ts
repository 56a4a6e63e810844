import { writeSync } from "node:fs";
import { heapStats } from "bun:jsc";

let told = 0;

// Each signal collects all garbage, and is told, since a signal is not handled when it is sent; where the router's
// own lines do not go, since one of those may be half written.
process.on("SIGUSR2", () => {
  Bun.gc(true);
  told += 1;
  writeSync(2, `held ${told}: ${heapStats().objectCount} objects\n`);
});
