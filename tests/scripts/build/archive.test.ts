import { afterAll, beforeAll, describe, expect, setSystemTime, test } from "bun:test";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tarGz, zip } from "../../../scripts/build/archive.ts";

// The readers are other people's programs: an archive that only its writer understands proves nothing.
const files = [
  { path: "v/program", bytes: Buffer.from("#!/bin/sh\necho ran\n".padEnd(1500, "#")), isExecutable: true },
  { path: "v/LICENSE", bytes: Buffer.from("x".repeat(512)), isExecutable: false },
  { path: "v/empty", bytes: Buffer.alloc(0), isExecutable: false },
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "archive-"));
});
afterAll(() => rm(folder, { recursive: true }));

const expectFiles = async (root: string): Promise<void> => {
  for (const { path, bytes, isExecutable } of files) {
    expect(Buffer.from(await Bun.file(join(root, path)).bytes())).toEqual(bytes);
    expect((await stat(join(root, path))).mode & 0o777).toBe(isExecutable ? 0o755 : 0o644);
  }
};

const expectSameAtAnyTime = async (pack: typeof zip): Promise<void> => {
  try {
    setSystemTime(new Date("2001-02-03T04:05:06Z"));
    const before = await pack(files);
    setSystemTime(new Date("2031-02-03T04:05:06Z"));
    expect(await pack(files)).toEqual(before);
  } finally {
    setSystemTime();
  }
};

describe("tarGz", () => {
  test.skipIf(Bun.which("tar") === null)("gives what tar unpacks, executable bits included", async () => {
    await Bun.write(join(folder, "a.tar.gz"), await tarGz(files));
    await Bun.$`mkdir tar && tar -xzf a.tar.gz -C tar`.cwd(folder);
    await expectFiles(join(folder, "tar"));
  });

  test("gives the same bytes for the same files at any time", () => expectSameAtAnyTime(tarGz));

  test("refuses a path that its header does not hold", async () => {
    const path = "x".repeat(101);
    const refusal = await tarGz([{ path, bytes: Buffer.alloc(1), isExecutable: false }]).catch(String);
    expect(refusal).toContain(path);
  });
});

describe("zip", () => {
  test.skipIf(Bun.which("unzip") === null)("gives what unzip unpacks, executable bits included", async () => {
    await Bun.write(join(folder, "a.zip"), await zip(files));
    await Bun.$`mkdir zip && cd zip && unzip -q ../a.zip`.cwd(folder);
    await expectFiles(join(folder, "zip"));
  });

  test.skipIf(Bun.which("python3") === null)("is whole for a second reader", async () => {
    await Bun.write(join(folder, "b.zip"), await zip(files));
    const script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), *z.namelist())";
    const printed = await Bun.$`python3 -c ${script} b.zip`.cwd(folder).text();
    expect(printed.trim()).toBe(`None ${files.map(({ path }) => path).join(" ")}`);
  });

  test("gives the same bytes for the same files at any time", () => expectSameAtAnyTime(zip));
});
