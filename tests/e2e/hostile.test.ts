import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startChild } from "../cli/child.ts";
import { builtBinary, repository } from "../support/binary.ts";
import { rawAnswer, startRawEngine } from "../support/raw-engine.ts";
import { startServing } from "../support/serving-process.ts";

// Processes start slowly on a busy machine.
setDefaultTimeout(30_000);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hostile-"));
  await Bun.write(join(folder, ".env"), "VLLM_ROUTER_API_KEY=stolen\nVLLM_API_KEY=stolen\n");
  await Bun.write(join(folder, "bunfig.toml"), 'preload = ["./intruder.ts"]\n');
  await Bun.write(join(folder, "tsconfig.json"), '{"compilerOptions":{"paths":{"hono":["./intruder.ts"]}}}');
  await Bun.write(join(folder, "package.json"), '{"imports":{"#x":"./intruder.ts"}}');
  await Bun.write(join(folder, "intruder.ts"), 'console.log("intruder");\n');
});
afterAll(async () => rm(folder, { recursive: true }));

test("the folder does reach a Bun that was not told otherwise", async () => {
  const child = Bun.spawn(
    [process.execPath, join(repository, "src/main.ts"), "check", "http://127.0.0.1:9"],
    {
      cwd: folder,
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  expect(await child.stdout.text()).toContain("intruder");
});

test("a router serves from a hostile folder, past the proxies of its environment", async () => {
  await using trap = await startRawEngine((socket) => socket.write(rawAnswer("trapped")));
  await using engine = await startRawEngine((socket) => socket.write(rawAnswer('{"id":"answered"}')));
  const proxies = ["http_proxy", "https_proxy", "all_proxy"].flatMap((name) => [name, name.toUpperCase()]);
  await using router = await startServing({
    command: [await builtBinary()],
    args: [
      "--host=127.0.0.1",
      "--port=0",
      "--drain-delay-seconds=0",
      "--service-discovery=static",
      `--static-backends=${engine.url}`,
      "--static-models=m",
      "--routing-logic=roundrobin",
    ],
    cwd: folder,
    env: {
      ...process.env,
      ...Object.fromEntries(proxies.map((name) => [name, trap.url])),
      NO_PROXY: undefined,
      no_proxy: undefined,
    },
  });
  // Were .env read, this would be a 401.
  const answer = await fetch(`${router.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"model":"m","prompt":"x"}',
  });
  expect([answer.status, await answer.text()]).toEqual([200, '{"id":"answered"}']);
  router.process.kill("SIGTERM");
  expect(await router.output).not.toContain("intruder");
  expect(trap.requests).toEqual([]);
  const heads = engine.requests.map(({ head }) => head).join("");
  expect(heads).toContain("POST /v1/completions");
  expect(heads).not.toContain("stolen");
});

test.each([
  ["BUN_OPTIONS", "--smol"],
  ["BUN_INSPECT", "ws://127.0.0.1:0/x"],
  ["BUN_INSPECT_CONNECT_TO", "ws://127.0.0.1:9"],
  ["BUN_CONFIG_VERBOSE_FETCH", "curl"],
])("%s is refused in one line", async (name, value) => {
  await using child = startChild(["http://127.0.0.1:9"], { [name]: value }, [await builtBinary()]);
  expect(await child.exited).toBe(1);
  expect(await child.text("stdout")).toBe("");
  expect(await child.text("stderr")).toMatch(new RegExp(`^vllm-router: error: ${name} is set, .*\\n$`));
});
