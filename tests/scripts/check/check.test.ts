import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, type Outcome } from "../../../scripts/check/check.ts";

const totals = (passed: number, failed: number): string =>
  `\n ${passed} pass\n ${failed} fail\nRan ${passed + failed} tests across 1 file. [1.00ms]\n`;

/** Runs the steps `lint` and `types` and the tests; every command takes 1.5 s and ends as `outcomes` says. */
const runCheck = async (outcomes: Readonly<Record<string, Partial<Outcome>>>) => {
  let now = 0;
  const ran: string[] = [];
  const lines: string[] = [];
  const isGood = await check(
    [
      { name: "lint", command: ["lint", "."] },
      { name: "types", command: ["types"] },
    ],
    ["tests"],
    {
      run: async ([name = ""]) => {
        ran.push(name);
        now += 1500;
        return { exitCode: 0, output: "", ...outcomes[name] };
      },
      monotonic: () => now,
      print: (line) => lines.push(line),
    },
  );
  return { isGood, ran, lines };
};

describe("check", () => {
  test("runs everything and closes with the totals of the tests", async () => {
    const { isGood, ran, lines } = await runCheck({ tests: { output: totals(12, 0) } });
    expect(isGood).toBe(true);
    expect(ran).toEqual(["lint", "types", "tests"]);
    expect(lines).toEqual([
      "lint       1.5 s",
      "types      1.5 s",
      "tests      1.5 s",
      "12 passed, 0 failed",
    ]);
  });

  test("stops at the first step that fails and shows all of its output", async () => {
    const { isGood, ran, lines } = await runCheck({ lint: { exitCode: 2, output: "one\ntwo\n" } });
    expect(isGood).toBe(false);
    expect(ran).toEqual(["lint"]);
    expect(lines.join("\n")).toContain("FAILED\n\none\ntwo\n\nlint .: exit status 2");
  });

  test("fails with the tests, and the totals stay the last line", async () => {
    const output = `(fail) it works${totals(3, 1)}`;
    const { isGood, lines } = await runCheck({ tests: { exitCode: 1, output } });
    expect(isGood).toBe(false);
    expect(lines.join("\n")).toContain("(fail) it works");
    expect(lines.at(-1)).toBe("3 passed, 1 failed");
  });

  test("fails when no test ran", async () => {
    expect(await runCheck({ tests: { output: totals(0, 0) } })).toMatchObject({ isGood: false });
  });

  test("fails when a test file ended the run, which bun test calls a success", async () => {
    const { isGood, lines } = await runCheck({ tests: { output: "a.test.ts:\n(pass) b\n" } });
    expect(isGood).toBe(false);
    expect(lines.at(-1)).toBe("The tests ended without totals.");
  });

  test("names the tests that were skipped", async () => {
    const output = `(pass) a\n(skip) needs root\n(skip) group > (unnamed)\n(todo) b\n${totals(1, 0)}`;
    const { lines } = await runCheck({ tests: { output } });
    expect(lines.slice(3)).toEqual(["(skip) needs root", "(todo) b", "1 passed, 0 failed"]);
  });
});

describe("bun test, on which the verdict rests", () => {
  const verdict = async (source: string): Promise<number> => {
    const folder = await mkdtemp(join(tmpdir(), "verdict-"));
    try {
      await Bun.write(join(folder, "a.test.ts"), `import { afterAll, test } from "bun:test";\n${source}`);
      const child = Bun.spawn([process.execPath, "test"], {
        cwd: folder,
        stdio: ["ignore", "ignore", "ignore"],
      });
      return await child.exited;
    } finally {
      await rm(folder, { recursive: true });
    }
  };
  const reject = 'void Promise.reject(new Error("nobody awaits this"))';

  test("fails on a rejection that nobody handles, wherever it comes from", async () => {
    expect(await verdict('test("a", () => {});')).toBe(0);
    expect(await verdict(`test("a", () => { ${reject}; });`)).not.toBe(0);
    expect(
      await verdict(
        `test("a", () => { setTimeout(() => { ${reject}; }); }); test("b", () => Bun.sleep(20));`,
      ),
    ).not.toBe(0);
    expect(await verdict(`test("a", () => {}); afterAll(() => { ${reject}; });`)).not.toBe(0);
  });
});
