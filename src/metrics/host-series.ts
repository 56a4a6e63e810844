import type { HostUsage } from "../core/host-usage.ts";
import type { Registry } from "./registry.ts";

/** Sets what a scrape tells of the machine and of this process; what was never read has no series. */
export const createHostSeries = ({ gauge, counter }: Pick<Registry, "gauge" | "counter">) => {
  let cpuSeconds = 0;
  return ({ cpuPercent, memoryPercent, diskPercent, process }: HostUsage): void => {
    gauge("router_cpu_usage_percent", {}).set(cpuPercent);
    gauge("router_memory_usage_percent", {}).set(memoryPercent);
    gauge("router_disk_usage_percent", {}).set(diskPercent);
    gauge("process_virtual_memory_bytes", {}).set(process.virtualBytes);
    gauge("process_resident_memory_bytes", {}).set(process.residentBytes);
    gauge("process_start_time_seconds", {}).set(process.startedAt);
    gauge("process_open_fds", {}).set(process.openDescriptors);
    gauge("process_max_fds", {}).set(process.maxDescriptors);
    counter("process_cpu_seconds_total", {}).add(process.cpuSeconds - cpuSeconds);
    cpuSeconds = process.cpuSeconds;
  };
};
