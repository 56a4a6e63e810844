const HOUR_MS = 3_600_000;
const now = Date.now.bind(Date);
const jumps = [HOUR_MS, -HOUR_MS, 0];
let offset = 0;

Date.now = () => now() + offset;
// Each signal is one more jump of the wall clock.
process.on("SIGUSR2", () => {
  offset = jumps.shift() ?? 0;
});
