import { describe, expect, test } from "bun:test";
import { parseStat, readUsage, usageOfTree } from "../../../scripts/bench/cpu.ts";
import { onCpu, parseCpuList, placeOn } from "../../../scripts/bench/placement.ts";
import { parseStrace, syscallText } from "../../../scripts/bench/syscalls.ts";
import { parseWrk, wrkScript } from "../../../scripts/bench/wrk.ts";
import { bodyOf, USERS, workloads } from "../../../scripts/bench/workloads.ts";

const isLinux = process.platform === "linux";

/** A line of /proc/PID/stat whose fields hold their own numbers where they are not given. */
const statLine = (pid: number, name: string, fields: Readonly<Record<number, number>>): string => {
  const rest = Array.from({ length: 49 }, (_, index) => fields[index + 4] ?? index + 4);
  return `${pid} (${name}) S ${rest.join(" ")}\n`;
};

describe("usage of processes", () => {
  test("is read whatever a command is called", () => {
    expect(parseStat(statLine(42, "bun) S 1 (x", { 4: 7, 14: 100, 15: 20, 24: 3 }))).toEqual({
      pid: 42,
      parent: 7,
      cpuTicks: 120,
      rssPages: 3,
    });
  });

  test("is that of a process and all its descendants, and of no other", () => {
    const stat = (pid: number, parent: number) =>
      parseStat(statLine(pid, "x", { 4: parent, 14: pid, 15: 0, 24: 1 }));
    const stats = [stat(400, 40), stat(4, 1), stat(40, 4), stat(41, 4), stat(5, 1), stat(50, 5)];
    expect(usageOfTree(stats, 4, 4096)).toEqual({ cpuMs: 4850, rssBytes: 4 * 4096 });
    expect(() => usageOfTree(stats, 6, 4096)).toThrow("process 6 is gone");
  });

  test.skipIf(!isLinux)("grows by the CPU time that is used", async () => {
    const before = await readUsage(process.pid);
    const ownBefore = process.cpuUsage();
    while (process.cpuUsage(ownBefore).user + process.cpuUsage(ownBefore).system < 200_000);
    const after = await readUsage(process.pid);
    expect(after.cpuMs - before.cpuMs).toBeGreaterThanOrEqual(170);
    expect(after.rssBytes).toBeGreaterThan(10 * 2 ** 20);
  });
});

describe("placement", () => {
  test("reads the kernel's list of CPUs", () => {
    expect(parseCpuList("\t0-2,5\n")).toEqual([0, 1, 2, 5]);
    expect(parseCpuList("7")).toEqual([7]);
  });

  test("gives the contender a CPU of its own, and the engine as well where there are three", () => {
    expect(placeOn([3])).toBeUndefined();
    expect(placeOn([0, 1])).toEqual({ contender: 1, engine: 0, load: 0 });
    expect(placeOn([0, 2, 4, 6])).toEqual({ contender: 4, engine: 2, load: 0 });
  });

  test("leaves a command alone where there is no placement", () => {
    expect(onCpu(undefined, ["nginx"])).toEqual(["nginx"]);
    expect(onCpu(1, ["nginx", "-c", "x"])).toEqual(["taskset", "-c", "1", "nginx", "-c", "x"]);
  });
});

describe("wrk", () => {
  test("tells its counts, without the requests that failed", () => {
    const output = `Running 1s test\n  99 requests in 1.01s\n\n{"requests": 99, "errors": 9, "microseconds": 1010000}\n`;
    expect(parseWrk(output)).toEqual({ requests: 90, errors: 9, seconds: 1.01 });
    expect(() => parseWrk("unable to connect to 127.0.0.1:1")).toThrow("unable to connect");
  });

  test.each(workloads.map((workload) => [workload.name, workload] as const))(
    "sends the bodies of %s as they are",
    (_name, workload) => {
      const [, lines = ""] = /^local bodies = \{\n([^]*?)\n\}\n/.exec(wrkScript(workload).trimStart()) ?? [];
      const bodies = lines.split(",\n").map((line) => line.trim());
      // Other escapes than these two do not mean the same in Lua.
      for (const body of bodies) expect(body).not.toMatch(/\\[^"\\]/);
      const sent = Array.from({ length: bodies.length }, (_body, user) => bodyOf(workload, user).toString());
      expect(bodies.map((body): unknown => JSON.parse(body))).toEqual(sent);
      expect(bodies).toHaveLength(workload.variesAt === undefined ? 1 : USERS);
      expect(new Set(bodies).size).toBe(bodies.length);
    },
  );
});

describe("system calls", () => {
  const table = [
    "% time     seconds  usecs/call     calls    errors syscall",
    "------ ----------- ----------- --------- --------- ----------------",
    " 61.62    0.003371           2      1602           epoll_pwait2",
    " 38.38    0.002100           1      1400        12 recvfrom",
    "  0.00    0.000000           0         3           futex",
    "------ ----------- ----------- --------- --------- ----------------",
    "100.00    0.005471           1      3005        12 total",
    "",
  ].join("\n");

  test("are read from strace's table by name, failed ones included, the total left out", () => {
    expect([...parseStrace(table)]).toEqual([
      ["epoll_pwait2", 1602],
      ["recvfrom", 1400],
      ["futex", 3],
    ]);
  });

  test("are told for each contender and workload, and a missing strace is told", () => {
    const count = {
      contender: "bare",
      workload: "json-1k",
      perRequest: 12.34,
      byName: { sendto: 2, read: 1 },
    };
    expect(syscallText([count])).toMatch(/^bare +12\.3 +sendto 2\.0, read 1\.0$/m);
    expect(syscallText({ missing: "strace is not installed" })).toContain("strace is not installed");
  });
});
