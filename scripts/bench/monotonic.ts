import { dlopen, ptr } from "bun:ffi";

const CLOCK_MONOTONIC = 1;
const NANOS = 1e9;

/**
 * CLOCK_MONOTONIC (clock_gettime(2)) in nanoseconds, which all processes of a machine share: Bun's own monotonic
 * clocks begin with each process. For Linux with glibc; the times of an uptime below 104 days are exact.
 */
export const openMonotonicClock = (): (() => number) => {
  const { symbols } = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
  const time = new BigInt64Array(2);
  const address = ptr(time);
  return () => {
    symbols.clock_gettime(CLOCK_MONOTONIC, address);
    return Number(time[0]) * NANOS + Number(time[1]);
  };
};
