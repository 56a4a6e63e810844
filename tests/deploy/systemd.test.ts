import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgv } from "../../src/config/argv.ts";
import { routerOptions } from "../../src/config/options.ts";
import { configOf } from "../config/given.ts";
import { repository } from "../support/binary.ts";

const unit = await Bun.file(join(repository, "deploy/systemd/vllm-router.service")).text();
const settings = new Map(
  [...unit.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
);

test("starts the executable with flags that there are, as nobody", () => {
  const [program, ...args] = settings.get("ExecStart")?.split(" ") ?? [];
  expect(program).toBe("/usr/local/bin/vllm-router");
  const { problems, settings: given } = parseArgv(routerOptions, args);
  expect(problems).toEqual([]);
  expect([...given.keys()]).toEqual(["dynamicConfigYaml"]);
  expect(settings.get("Type")).toBe("exec");
  expect(settings.get("DynamicUser")).toBe("yes");
});

test("gives the router the time that it takes to leave", () => {
  const { delayMs, timeoutMs } = configOf(["http://a"]).leaving;
  expect(Number(settings.get("TimeoutStopSec"))).toBeGreaterThanOrEqual((delayMs + timeoutMs) / 1000 + 10);
});

test("leaves the runtime the memory that it compiles into", () => {
  expect(settings.get("MemoryDenyWriteExecute")).toBeUndefined();
});

const analyze = Bun.which("systemd-analyze");
test.skipIf(analyze === null)("is a unit that systemd reads, and well closed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "unit-"));
  const path = join(folder, "vllm-router.service");
  // The executable is not installed here.
  await Bun.write(path, unit.replace("/usr/local/bin/vllm-router", process.execPath));
  const run = async (...args: readonly string[]): Promise<string> => {
    const child = Bun.spawn([analyze ?? "", ...args, path], { stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return `${stdout}${stderr}`;
  };
  expect(await run("verify", "--man=no")).toBe("");
  const [, exposure] = /exposure level .*: ([\d.]+)/.exec(await run("security", "--offline=true")) ?? [];
  expect(Number(exposure)).toBeLessThanOrEqual(1.5);
  await rm(folder, { recursive: true });
});
