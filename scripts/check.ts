import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { check } from "./check/check.ts";

/** Runs under this Bun also where `node` exists, so that a step does the same everywhere. */
const tool = (...command: readonly string[]): readonly string[] => [
  process.execPath,
  "--bun",
  "run",
  ...command,
];

const steps = [
  { name: "format", command: tool("oxfmt", "--check") },
  { name: "lint", command: tool("oxlint", "--deny-warnings", "--report-unused-disable-directives") },
  { name: "types", command: tool("tsc", "-p", ".") },
  { name: "unused", command: tool("knip") },
];

const run = async (command: readonly string[]) => {
  const folder = await mkdtemp(join(tmpdir(), "check-"));
  // A file keeps the order of both streams, and a process that a test left behind cannot hold it open for us.
  const file = await open(join(folder, "output"), "a+");
  try {
    const child = Bun.spawn([...command], {
      cwd: dirname(import.meta.dir),
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
      stdio: ["ignore", file.fd, file.fd],
    });
    const stop = (signal: NodeJS.Signals): void => child.kill(signal);
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    for (const signal of signals) process.on(signal, stop);
    const exitCode = await child.exited;
    for (const signal of signals) process.off(signal, stop);
    return { exitCode, output: await readFile(join(folder, "output"), "utf8") };
  } finally {
    await file.close();
    await rm(folder, { recursive: true, force: true });
  }
};

const isGood = await check(steps, [process.execPath, "test", ...process.argv.slice(2)], {
  run,
  monotonic: () => performance.now(),
  print: (line) => process.stdout.write(`${line}\n`),
});
process.exitCode = isGood ? 0 : 1;
