import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../package.json";
import { compile } from "../../scripts/build/compile.ts";
import { fetchRuntimes } from "../../scripts/build/runtimes.ts";
import { executableName, hostPlatform, platforms, type Platform } from "../../scripts/platforms.ts";
import { builtBinary, repository } from "../support/binary.ts";

// Processes start slowly on a busy machine.
setDefaultTimeout(30_000);

const minute = 60_000;
const digest = async (path: string): Promise<string> =>
  Bun.SHA256.hash(await Bun.file(path).arrayBuffer(), "hex");

let folder: string;
let executable: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "build-"));
  executable = await builtBinary();
}, minute);
afterAll(() => rm(folder, { recursive: true }));

const run = async (args: readonly string[], cwd: string, env: Record<string, string | undefined> = {}) => {
  const child = Bun.spawn([...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode, stdout, stderr };
};

/** Numbers by which the three formats name processors. */
const processors: Readonly<Record<number, string>> = {
  62: "x86_64",
  183: "arm64",
  0x8664: "x86_64",
  0x01000007: "x86_64",
  0x0100000c: "arm64",
};

/** Format and processor of an executable, as its first bytes tell. */
const formatOf = async (path: string): Promise<string> => {
  const head = Buffer.from(await Bun.file(path).slice(0, 1024).arrayBuffer());
  const isElf = head.toString("latin1", 0, 4) === "\x7fELF";
  if (isElf) return `ELF ${processors[head.readUInt16LE(18)]}`;
  const isPe = head.toString("latin1", 0, 2) === "MZ";
  if (isPe) return `PE ${processors[head.readUInt16LE(head.readUInt32LE(0x3c) + 4)]}`;
  return head.readUInt32LE(0) === 0xfeedfacf ? `Mach-O ${processors[head.readUInt32LE(4)]}` : "unknown";
};

const formats: Readonly<Record<string, string>> = {
  "linux-x64": "ELF x86_64",
  "linux-x64-musl": "ELF x86_64",
  "linux-arm64": "ELF arm64",
  "linux-arm64-musl": "ELF arm64",
  "darwin-x64": "Mach-O x86_64",
  "darwin-arm64": "Mach-O arm64",
  "windows-x64": "PE x86_64",
};

describe("bun run build", () => {
  test("gives the version of package.json", async () => {
    expect(await run([executable, "--version"], folder)).toEqual({
      code: 0,
      stdout: `vllm-router ${manifest.version}\n`,
      stderr: "",
    });
  });

  test(
    "gives the same bytes from another folder",
    async () => {
      const copy = join(folder, "a copy");
      for (const path of ["package.json", "bun.lock", "tsconfig.json", "src", "scripts"])
        await cp(join(repository, path), join(copy, path), { recursive: true });
      await symlink(join(repository, "node_modules"), join(copy, "node_modules"));
      const digests = new Set<string>();
      for (const root of [repository, copy]) {
        const outdir = join(folder, `from ${digests.size}`);
        const { code, stderr } = await run(
          [process.execPath, join(root, "scripts/build.ts"), "--outdir", outdir],
          root,
        );
        expect(stderr).toBe("");
        expect(code).toBe(0);
        digests.add(await digest(join(outdir, executableName(process.platform))));
      }
      expect(digests.size).toBe(1);
    },
    minute,
  );

  test("reports what does not compile, without a stack of its own", async () => {
    await Bun.write(join(folder, "bad.ts"), 'import { x } from "./missing.ts";\nconsole.log(x);\n');
    const { code, stderr } = await run(
      [
        process.execPath,
        join(repository, "scripts/build.ts"),
        "--entry",
        join(folder, "bad.ts"),
        "--outdir",
        folder,
      ],
      folder,
    );
    expect(code).toBe(1);
    expect(stderr).toContain('Could not resolve: "./missing.ts"');
    expect(stderr).not.toContain("scripts/build");
  });
});

describe("the executable", () => {
  test("holds no path of the machine that it was built on", async () => {
    const bytes = Buffer.from(await Bun.file(executable).arrayBuffer());
    expect(bytes.includes(repository)).toBe(false);
    expect(bytes.includes("node_modules/hono")).toBe(false);
  });

  test.skipIf(process.platform !== "linux" || Bun.which("ldd") === null)(
    "needs only the C library",
    async () => {
      const { stdout } = await run(["ldd", executable], folder);
      const libraries = stdout
        .trim()
        .split("\n")
        .map((line) => line.trim().split(" ")[0]?.split("/").at(-1) ?? "");
      const allowed = /^(linux-vdso|ld-linux-.*|libc|libm|libpthread|libdl)\.so\.\d$/;
      expect(libraries.filter((library) => !allowed.test(library))).toEqual([]);
      expect(libraries).toContain("libc.so.6");
    },
  );
});

describe("every platform's executable", () => {
  let runtimes: ReadonlyMap<Platform, string>;
  beforeAll(async () => {
    runtimes = await fetchRuntimes(platforms, repository, join(folder, "runtimes"));
  }, 3 * minute);

  const make = (platform: Platform, runtime: string, into: string): Promise<string> =>
    compile({ entry: join(repository, "src/main.ts"), platform, runtime, folder: join(folder, into) });

  for (const platform of platforms)
    test(
      `${platform.name}: is made for it`,
      async () => {
        const path = await make(platform, runtimes.get(platform) ?? "", platform.name);
        expect(await formatOf(path)).toBe(formats[platform.name] ?? "");
        await rm(path);
      },
      minute,
    );

  test(
    "this machine's is the same whether its runtime was fetched or is the one that builds",
    async () => {
      const host = platforms.filter((platform) => platform === hostPlatform());
      for (const platform of host) {
        const fetched = await make(platform, runtimes.get(platform) ?? "", "fetched");
        expect(await digest(fetched)).toBe(await digest(await make(platform, process.execPath, "running")));
      }
      expect(host).toHaveLength(1);
    },
    minute,
  );
});
