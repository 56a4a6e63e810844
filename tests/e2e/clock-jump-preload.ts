import { writeSync } from "node:fs";

const HOUR_MS = 3_600_000;
const now = Date.now.bind(Date);
const jumps = [HOUR_MS, -HOUR_MS, 0];
let offset = 0;
let jumped = 0;

Date.now = () => now() + offset;
// Each signal is one more jump of the wall clock, and is told, since a signal is not handled when it is sent.
process.on("SIGUSR2", () => {
  offset = jumps[jumped] ?? 0;
  jumped += 1;
  writeSync(2, `jump ${jumped}\n`);
});
