import { describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import type { HostReading } from "../../src/core/host-usage.ts";
import { createHostSampler, usageBetween } from "../../src/metrics/host-sampler.ts";
import { readHost } from "../../src/host.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock, settle } from "../support/clock.ts";

const own = { cpuSeconds: 1, residentBytes: 2, startedAt: 3 };

const reading = (parts: Partial<HostReading> = {}): HostReading => ({
  cpu: { total: 1000, idle: 900 },
  memory: { total: 64, available: 48 },
  disk: { used: 30, available: 10 },
  process: own,
  ...parts,
});

/** A sampler that reads these one after the other, the last one again and again. */
const start = (readings: readonly (HostReading | Error)[]) => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  let reads = 0;
  const sampler = createHostSampler(
    async () => {
      const next = readings[Math.min(reads, readings.length - 1)];
      reads += 1;
      if (next === undefined || next instanceof Error) throw next ?? new Error("nothing to read");
      return next;
    },
    { clock, log },
  );
  return { clock, lines, sampler, reads: () => reads };
};

const busier = reading({ cpu: { total: 2000, idle: 1650 } });
const used = { cpuPercent: 25, memoryPercent: 25, diskPercent: 75, process: own };

test("usage is the load between two readings, and the room that is taken at the later one", () => {
  expect(usageBetween(reading(), busier)).toEqual(used);
});

test("usage is 0 where nothing can be shared out", () => {
  const empty = reading({ memory: { total: 0, available: 0 }, disk: { used: 0, available: 0 } });
  expect(usageBetween(empty, empty)).toEqual({
    cpuPercent: 0,
    memoryPercent: 0,
    diskPercent: 0,
    process: own,
  });
});

describe("a sampler", () => {
  test("knows the usage soon after its start, and reads on", async () => {
    const { clock, sampler, reads } = start([
      reading(),
      busier,
      reading({ cpu: { total: 3000, idle: 1650 } }),
    ]);
    await settle();
    expect(sampler.usage()).toBeUndefined();
    clock.advance(500);
    await settle();
    expect(sampler.usage()).toEqual(used);
    clock.advance(5000);
    await settle();
    expect([reads(), sampler.usage()?.cpuPercent]).toEqual([3, 100]);
  });

  test("tells nothing while the machine cannot be read, says so once, and goes on", async () => {
    const failure = new Error("no such file");
    const { clock, lines, sampler } = start([reading(), busier, failure, failure, busier, busier]);
    for (const expected of [undefined, used, undefined, undefined, { ...used, cpuPercent: 0 }]) {
      await settle();
      expect(sampler.usage()).toEqual(expected);
      clock.advance(5000);
    }
    expect(lines.filter((line) => line.includes("no such file"))).toHaveLength(1);
  });

  test("that is disposed reads no more", async () => {
    const { clock, sampler, reads } = start([reading()]);
    await sampler[Symbol.asyncDispose]();
    expect(clock.waiting()).toEqual([]);
    expect(reads()).toBe(1);
  });
});

test("the real machine is read in figures that make sense", async () => {
  const { cpu, memory, disk } = await readHost();
  expect(cpu.total).toBeGreaterThan(cpu.idle);
  expect(memory.total).toBeGreaterThan(memory.available);
  for (const part of [cpu.idle, memory.available, disk.used, disk.available]) expect(part).toBeGreaterThan(0);
});

test("the real process is read in figures that make sense", async () => {
  const { process: before } = await readHost();
  const held = Array.from({ length: 5 }, () => openSync("/dev/null", "r"));
  const { process: after } = await readHost();
  for (const descriptor of held) closeSync(descriptor);
  expect(after.cpuSeconds).toBeGreaterThan(before.cpuSeconds);
  expect(after.cpuSeconds).toBeLessThan(600);
  expect(after.residentBytes).toBeGreaterThan(10_000_000);
  expect(Date.now() / 1000 - after.startedAt).toBeWithin(0, 600);
  expect(after.startedAt).toBe(before.startedAt);
  if (process.platform !== "linux") return;
  expect(after.virtualBytes).toBeGreaterThan(after.residentBytes);
  expect((after.openDescriptors ?? 0) - (before.openDescriptors ?? 0)).toBe(5);
  expect(after.maxDescriptors).toBeGreaterThanOrEqual(after.openDescriptors ?? 0);
});
