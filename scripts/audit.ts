import { dirname } from "node:path";
import { judgeAudit } from "./check/advisories.ts";

/** The registry may be out of reach, or not answer. */
const TIMEOUT_MS = 60_000;

const child = Bun.spawn([process.execPath, "audit", "--json", "--audit-level=high"], {
  cwd: dirname(import.meta.dir),
  stdio: ["ignore", "pipe", "pipe"],
  timeout: TIMEOUT_MS,
});
const [stdout, stderr, exitCode] = await Promise.all([
  child.stdout.text(),
  child.stderr.text(),
  child.exited,
]);
const { isGood, lines } = judgeAudit({ exitCode, output: stdout || stderr });
for (const line of lines) process.stdout.write(`${line}\n`);
process.exitCode = isGood ? 0 : 1;
