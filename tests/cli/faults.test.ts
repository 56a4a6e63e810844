import { expect, test } from "bun:test";
import { createFaults } from "../../src/cli/faults.ts";

const collect = () => {
  const lines: string[] = [];
  return { lines, faults: createFaults((stream, line) => void lines.push(`${stream}: ${line}`)) };
};

test("a fault is logged once with its stack, and counted each time", () => {
  const { lines, faults } = collect();
  const fail = () => faults.report(new TypeError("boom"));
  fail();
  fail();
  faults.report("a bare string");
  expect(faults.count()).toBe(3);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/^stderr: vllm-router: error: .*TypeError: boom.*faults\.test\.ts.*\n$/);
  expect(lines[1]).toContain("a bare string");
});

test("the number of distinct faults that are logged is bounded", () => {
  const { lines, faults } = collect();
  for (let index = 0; index < 1000; index += 1) faults.report(new Error(`number ${index}`));
  expect(lines).toHaveLength(100);
  expect(faults.count()).toBe(1000);
});

test("once there is a log, faults go there", () => {
  const { lines, faults } = collect();
  const logged: string[] = [];
  const ignore = () => {};
  faults.logTo({
    debug: ignore,
    info: ignore,
    infoBlock: ignore,
    warning: ignore,
    error: (message) => void logged.push(message),
    isEnabled: () => true,
  });
  faults.report(new Error("boom"));
  expect(logged).toHaveLength(1);
  expect(lines).toEqual([]);
});
