import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRouterConfig } from "../../src/cli/router-config.ts";
import { parseArgv } from "../../src/config/argv.ts";
import { routerOptions } from "../../src/config/options.ts";
import { describeProblem } from "../../src/config/problem.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "router-keys-"));
});
afterAll(async () => rm(folder, { recursive: true }));

const write = async (name: string, text: string, mode = 0o600): Promise<string> => {
  const path = join(folder, name);
  await Bun.write(path, text);
  await chmod(path, mode);
  return path;
};

/** Names of the keys that clients may present, or what is wrong; beside it the warnings. */
const read = async (argv: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const given = await readRouterConfig(parseArgv(routerOptions, [...argv, "http://a"]), { env }, []);
  const { warnings } = given;
  if ("problems" in given) return { problems: given.problems.map(describeProblem), warnings };
  const { access, discovery } = given.config;
  const names =
    access && [...access.keys, ...access.files.flatMap(({ keys }) => keys)].map(({ name }) => name);
  return { names, warnings, discovery, text: JSON.stringify(given.config) };
};

const shows = (flag: string): string =>
  `${flag} shows its keys in the list of processes; give them in a file or in the environment instead`;

test("everybody may ask where no key is given", async () => {
  expect((await read([])).names).toBeUndefined();
});

test("keys come from a flag that may be repeated, and a flag is warned about", async () => {
  const { names, warnings, text } = await read(["--api-key=alice:sk-1,sk-2", "--api-key", "bob:sk-3"]);
  expect(names).toEqual(["alice", "2", "bob"]);
  expect(warnings).toEqual([shows("--api-key")]);
  expect(text).not.toContain("sk-");
});

test("keys come from the environment, without a warning", async () => {
  expect(await read([], { VLLM_ROUTER_API_KEY: "alice:sk-1" })).toMatchObject({
    names: ["alice"],
    warnings: [],
  });
});

test("keys come from several files", async () => {
  const [first, second] = [await write("first", "alice:sk-1\n"), await write("second", "bob:sk-2\n")];
  const flags = [`--api-key-file=${first}`, `--api-key-file=${second}`];
  expect(await read(flags)).toMatchObject({ names: ["alice", "bob"], warnings: [] });
});

describe("what is wrong is said, without a key", () => {
  test.each([
    [["--api-key="], "--api-key: is empty; leave it out where everybody may ask"],
    [["--api-key=sk-1,,sk-2"], "--api-key: key 2 is empty"],
    [["--api-key-file=/no/such/file"], "--api-key-file: /no/such/file: there is no such file"],
  ])("%p", async (flags, problem) => {
    expect((await read(flags)).problems).toEqual([problem]);
  });

  test.skipIf(process.platform === "win32")("a file that others may write", async () => {
    const path = await write("loose", "alice:sk-1", 0o620);
    expect((await read([`--api-key-file=${path}`])).problems).toEqual([
      `--api-key-file: ${path}: others than its owner may write it; chmod go-w it`,
    ]);
  });

  test.skipIf(process.platform === "win32")(
    "a file that everybody may read is only warned about, as secrets of Kubernetes are",
    async () => {
      const path = await write("open", "alice:sk-1", 0o644);
      expect(await read([`--api-key-file=${path}`])).toMatchObject({
        names: ["alice"],
        warnings: [`${path} may be read by everybody on this machine`],
      });
    },
  );

  test("a file without keys", async () => {
    const path = await write("empty", "# none\n");
    expect((await read([`--api-key-file=${path}`])).problems).toEqual([
      `--api-key-file: ${path}: it holds no key`,
    ]);
  });
});

describe("keys of backends", () => {
  test("belong to the backends in their order", async () => {
    const { discovery } = await read(["http://b"], { VLLM_ROUTER_STATIC_BACKEND_API_KEYS: ",kb" });
    expect(discovery).toMatchObject({ backends: [{ url: "http://b" }, { url: "http://a", apiKey: "kb" }] });
  });

  test.each([
    ["k", "1 key for 2 backends; give one key for each backend, in the same order"],
    ["k,ü", "a key holds something else than visible ASCII characters"],
  ])("%p is refused", async (keys, message) => {
    const { problems } = await read(["http://b"], { VLLM_ROUTER_STATIC_BACKEND_API_KEYS: keys });
    expect(problems).toEqual([`VLLM_ROUTER_STATIC_BACKEND_API_KEYS: ${message}`]);
  });
});
