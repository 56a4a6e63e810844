import { expect, test } from "bun:test";
import { runCli } from "../../src/cli.ts";
import type { CliPlatform } from "../../src/cli/command.ts";
import { lendPlatform } from "./lent.ts";

const run = async (argv: readonly string[], changes: Partial<CliPlatform> = {}) => {
  const { platform, stdout, stderr } = lendPlatform(changes);
  const exitCode = await runCli(["healthcheck", ...argv], platform);
  return { exitCode, stdout: stdout(), stderr: stderr() };
};

/** A router of which only the status is real. */
const answering = (status: number) => {
  const asked: string[] = [];
  const fetch: CliPlatform["fetch"] = async (url) => {
    asked.push(url);
    return new Response(null, { status });
  };
  return { asked, fetch };
};

test.each<[argv: string[], env: Record<string, string>, asked: string]>([
  [[], {}, "http://127.0.0.1:8001/health"],
  [["--port=8000"], {}, "http://127.0.0.1:8000/health"],
  [[], { VLLM_ROUTER_PORT: "8000", VLLM_ROUTER_HOST: "10.0.0.1" }, "http://10.0.0.1:8000/health"],
  [["--port=1"], { VLLM_ROUTER_PORT: "8000" }, "http://127.0.0.1:1/health"],
  [["--host=::"], {}, "http://[::1]:8001/health"],
  [["--host=fd00::1"], {}, "http://[fd00::1]:8001/health"],
  [["--url=https://router/prefix/"], {}, "https://router/prefix/health"],
  [[], { VLLM_ROUTER_URL: "http://router" }, "http://router/health"],
  // Settings of the router that are not about its address are no errors here.
  [[], { VLLM_ROUTER_ROUTING_LOGIC: "nonsense" }, "http://127.0.0.1:8001/health"],
])("%p with %p asks %s", async (argv, env, target) => {
  const { asked, fetch } = answering(200);
  expect(await run(argv, { fetch, env })).toEqual({
    exitCode: 0,
    stdout: `${target} answered 200\n`,
    stderr: "",
  });
  expect(asked).toEqual([target]);
});

test.each([503, 404, 302])("%p is not healthy", async (status) => {
  const { exitCode, stderr } = await run([], answering(status));
  expect(exitCode).toBe(1);
  expect(stderr).toBe(`http://127.0.0.1:8001/health answered ${status}\n`);
});

test("nobody there is one line and exit 1", async () => {
  const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  const { port } = free;
  free.stop(true);
  const { exitCode, stderr } = await run([`--port=${port}`]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/health failed: .*ECONNREFUSED.*\n$/);
});

test("silence ends after three seconds", async () => {
  const delays: number[] = [];
  const clock: CliPlatform["clock"] = {
    now: () => 0,
    monotonic: () => 0,
    after: (delayMs, task) => {
      delays.push(delayMs);
      queueMicrotask(task);
      return { [Symbol.dispose]: () => {} };
    },
  };
  using silent = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async () => new Promise<Response>(() => {}),
  });
  const { exitCode, stderr } = await run([`--url=${silent.url.origin}`], { clock });
  expect(exitCode).toBe(1);
  expect(stderr).toBe(`${silent.url.origin}/health failed: no answer in 3 s\n`);
  expect(delays).toEqual([3000]);
});
