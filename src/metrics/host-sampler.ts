import type { Clock } from "../core/clock.ts";
import type { HostReading, HostUsage, ReadHost } from "../core/host-usage.ts";
import type { Log } from "../core/log.ts";

/** How much of the machine was in use lately. */
export interface HostSampler extends AsyncDisposable {
  /** Absent until it was read twice, since a load needs two readings. */
  readonly usage: () => HostUsage | undefined;
}

const INTERVAL_MS = 5_000;
const FIRST_INTERVAL_MS = 500;

const percent = (part: number, whole: number): number => (whole > 0 ? (100 * part) / whole : 0);

/** Usage between two readings; what is no load is that of the later one. */
export const usageBetween = (before: HostReading, { cpu, memory, disk, process }: HostReading): HostUsage => {
  const total = cpu.total - before.cpu.total;
  return {
    cpuPercent: percent(total - (cpu.idle - before.cpu.idle), total),
    memoryPercent: percent(memory.total - memory.available, memory.total),
    diskPercent: percent(disk.used, disk.used + disk.available),
    process,
  };
};

/** Reads the machine now and then, so that a scrape finds the figures and never waits for them. */
export const createHostSampler = (
  read: ReadHost,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): HostSampler => {
  let before: HostReading | undefined;
  let usage: HostUsage | undefined;
  let isOver = false;
  let hasFailed = false;
  let timer: Disposable | undefined;

  const sample = async (): Promise<void> => {
    try {
      const reading = await read();
      if (before) usage = usageBetween(before, reading);
      before = reading;
      hasFailed = false;
    } catch (error) {
      usage = undefined;
      if (!hasFailed) log.debug(`The machine's usage cannot be read: ${String(error)}`);
      hasFailed = true;
    }
    if (isOver) return;
    timer = clock.after(usage ? INTERVAL_MS : FIRST_INTERVAL_MS, begin);
  };
  let sampling: Promise<void>;
  const begin = (): void => {
    sampling = sample();
  };
  begin();

  return {
    usage: () => usage,
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      await sampling;
      timer?.[Symbol.dispose]();
    },
  };
};
