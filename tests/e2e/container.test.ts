import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import manifest from "../../package.json";
import { builtBinary, repository } from "../support/binary.ts";
import { parseDockerfile } from "../support/dockerfile.ts";

// Processes start slowly on a busy machine.
setDefaultTimeout(30_000);

// There may be no container engine where this runs, so the build stage's commands run in a clean folder here, and
// sandbox.test.ts runs the executable with what the image has.
const minute = 60_000;

const stages = parseDockerfile(await Bun.file(join(repository, "Dockerfile")).text());
const [build, image] = stages;
const last = (name: string): string | undefined =>
  image?.instructions.findLast((instruction) => instruction.name === name)?.text;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "container-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("the Dockerfile", () => {
  test("names every image by an exact version or a distroless variant", () => {
    expect(stages.map((stage) => stage.image)).toEqual([
      expect.stringMatching(/^node:\d+\.\d+\.\d+-bookworm-slim$/),
      "gcr.io/distroless/base-nossl-debian12:nonroot",
    ]);
  });

  test("gives an image that runs as nobody, in an empty folder, without a shell", () => {
    expect(last("USER")).toBe("65532:65532");
    expect(last("WORKDIR")).toBe("/empty");
    expect(JSON.parse(last("ENTRYPOINT") ?? "")).toEqual(["/usr/local/bin/vllm-router"]);
    expect(last("HEALTHCHECK")).toEndWith(' CMD ["/usr/local/bin/vllm-router", "healthcheck"]');
    const names = image?.instructions.map(({ name }) => name);
    expect(names).not.toContain("RUN");
    expect(names).not.toContain("ENV");
    expect(names?.indexOf("WORKDIR")).toBeGreaterThan(names?.lastIndexOf("COPY") ?? 0);
  });

  test("exposes the port that the router listens on by itself", async () => {
    const child = Bun.spawn([await builtBinary(), "check", "http://127.0.0.1:9"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect(await child.stdout.text()).toMatch(new RegExp(`\\bport\\b.*\\b${last("EXPOSE")}\\b`));
  });
});

/** The files that reach a build from the repository: .dockerignore starts from none. */
const contextFiles = async (): Promise<readonly string[]> => {
  const lines = (await Bun.file(join(repository, ".dockerignore")).text()).split("\n");
  expect(lines).toContain("*");
  return lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
};

describe("the build stage", () => {
  test(
    "makes the executable from nothing but what it copies",
    async () => {
      const context = join(folder, "context");
      for (const path of await contextFiles())
        await cp(join(repository, path), join(context, path), { recursive: true });

      const work = join(folder, "build");
      await mkdir(work);
      const env = Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")),
      );
      for (const { name, text } of build?.instructions ?? []) {
        const words = text.split(/\s+/);
        const target = words.at(-1) ?? "";
        if (name === "COPY")
          for (const source of words.slice(0, -1)) {
            const isFolder = target.endsWith("/");
            const into = join(work, target, isFolder ? (source.split("/").at(-1) ?? "") : "");
            await cp(join(context, source), into, { recursive: true });
          }
        else if (name === "RUN") {
          const child = Bun.spawn(["sh", "-c", text], {
            cwd: work,
            env: { ...env, TARGETARCH: process.arch === "x64" ? "amd64" : process.arch },
            stdio: ["ignore", "ignore", "pipe"],
          });
          const stderr = await child.stderr.text();
          expect({ text, code: await child.exited, stderr }).toMatchObject({ code: 0 });
        } else expect(["WORKDIR", "ARG"]).toContain(name);
      }
      const made = image?.instructions.filter((instruction) => instruction.text.startsWith("--from=build"));
      for (const { text } of made ?? []) {
        const path = text.split(/\s+/)[1]?.replace(/^\/build\//, "") ?? "";
        expect((await stat(join(work, path))).size).toBeGreaterThan(0);
      }
      const version = Bun.spawn([join(work, "dist/vllm-router"), "--version"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      expect(await version.stdout.text()).toBe(`vllm-router ${manifest.version}\n`);
    },
    5 * minute,
  );
});
