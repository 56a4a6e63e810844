import { expect, test } from "bun:test";
import { join } from "node:path";
import { repository } from "../../support/binary.ts";

const SECONDS = 10;

test.skipIf(process.platform !== "linux")(
  `a soak of ${SECONDS} s in mixed traffic, faults and reloads loses nothing and leaves nothing behind`,
  async () => {
    const script = join(repository, "scripts/soak.ts");
    const child = Bun.spawn([process.execPath, script, `--minutes=${SECONDS / 60}`, "--clients=16"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [printed, problems] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    console.info(printed);
    expect(problems).toBe("");
    expect(printed).toMatch(/^ {2}stream .*served \d+/m);
    expect(printed).not.toContain("FAILED");
    expect(await child.exited).toBe(0);
  },
  90_000,
);
