import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { version } from "../../src/version.ts";
import { routerCommand } from "../support/binary.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { runChild, startChild } from "./child.ts";

const serveArgs = ["--host=127.0.0.1", "--port=0", "--drain-delay-seconds=0", "http://127.0.0.1:9"];
const LISTENS = /listens on (http:\/\/[^ ]*\d)/;
const isLinux = process.platform === "linux";

const urlIn = (text: string): string => LISTENS.exec(text)?.[1] ?? "";

describe("exit codes and streams", () => {
  test.each<[name: string, args: string[], outcome: { exitCode: number; stdout: RegExp; stderr: RegExp }]>([
    [
      "help",
      ["--help"],
      {
        exitCode: 0,
        stdout: /Usage:\n {2}\$ vllm-router \[flags\] \[url [^]*--static-backends <urls>/,
        stderr: /^$/,
      },
    ],
    [
      "help of a command",
      ["check", "-h"],
      { exitCode: 0, stdout: /vllm-router check \[flags\]/, stderr: /^$/ },
    ],
    [
      "version",
      ["--version"],
      { exitCode: 0, stdout: new RegExp(`^vllm-router ${version}\\n$`), stderr: /^$/ },
    ],
    [
      "a valid configuration",
      ["check", "http://a"],
      { exitCode: 0, stdout: /^host: "0.0.0.0" #/, stderr: /^$/ },
    ],
    [
      "an error of usage",
      ["--prot", "80"],
      { exitCode: 2, stdout: /^$/, stderr: /^usage: .*\nvllm-router: error: --prot: no such flag/ },
    ],
    [
      "an error of configuration",
      [],
      { exitCode: 1, stdout: /^$/, stderr: /^vllm-router: error: --routing-logic must be provided\.\n/ },
    ],
    [
      "nobody to ask",
      ["healthcheck", "--port=1"],
      { exitCode: 1, stdout: /^$/, stderr: /^http:\/\/127\.0\.0\.1:1\/health failed: .*\n$/ },
    ],
  ])("%s", async (_name, args, { exitCode, stdout, stderr }) => {
    const outcome = await runChild(args);
    expect(outcome.exitCode).toBe(exitCode);
    expect(outcome.stdout).toMatch(stdout);
    expect(outcome.stderr).toMatch(stderr);
  });

  test("the list of commands is part of the first help only", async () => {
    expect((await runChild(["--help"])).stdout).toMatch(/\nCommands:\n {2}serve /);
    expect((await runChild(["healthcheck", "--help"])).stdout).not.toContain("Commands:");
  });
});

describe("serving", () => {
  test("replaces the process once: same id, same arguments, a raised cap", async () => {
    await using child = startChild([
      ...serveArgs,
      "--session-key=a b",
      "--static-aliases=",
      "--",
      "http://127.0.0.1:8",
    ]);
    const url = urlIn(await child.until(LISTENS));
    expect((await fetch(`${url}/health`)).status).toBe(200);
    if (isLinux) {
      const environment = (await readFile(`/proc/${child.pid}/environ`, "utf8")).split("\0");
      expect(environment.filter((entry) => entry.startsWith("BUN_CONFIG_")).sort()).toEqual([
        "BUN_CONFIG_HTTP_IDLE_TIMEOUT=0",
        "BUN_CONFIG_MAX_HTTP_REQUESTS=65535",
      ]);
      const commandLine = (await readFile(`/proc/${child.pid}/cmdline`, "utf8")).split("\0");
      expect(commandLine.slice(-1 - serveArgs.length - 4, -1)).toEqual([
        ...serveArgs,
        "--session-key=a b",
        "--static-aliases=",
        "--",
        "http://127.0.0.1:8",
      ]);
    }
    expect((await runChild(["healthcheck", `--url=${url}`])).stdout).toBe(`${url}/health answered 200\n`);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await child.text("stdout")).toMatch(/Ended[^\n]*\n$/);
  });

  test("more than 256 requests are under way at once", async () => {
    const count = 300;
    const { promise: all, resolve } = Promise.withResolvers<void>();
    let arrived = 0;
    using engine = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      // No request is answered before all have come.
      fetch: async () => {
        arrived += 1;
        if (arrived === count) resolve();
        await all;
        return Response.json({});
      },
    });
    const backend = [
      "--service-discovery=static",
      `--static-backends=${engine.url.origin}`,
      "--static-models=m",
    ];
    await using child = startChild([
      "--host=127.0.0.1",
      "--port=0",
      "--routing-logic=roundrobin",
      ...backend,
    ]);
    const { port } = new URL(urlIn(await child.until(LISTENS)));
    // Raw, since this process has the runtime's cap on its own requests.
    const clients = Array.from({ length: count }, () =>
      sendRaw(Number(port), rawPost("/v1/completions", '{"model":"m","prompt":"x"}')),
    );
    const answers = await Promise.all(clients.map(async (client) => client.until(/^HTTP\/1\.1 \d+/)));
    for (const client of clients) client[Symbol.dispose]();
    expect(answers.filter((answer) => answer.startsWith("HTTP/1.1 200"))).toHaveLength(count);
  });

  test("ends on SIGINT as well", async () => {
    await using child = startChild(serveArgs);
    await child.until(LISTENS);
    child.kill("SIGINT");
    expect(await child.exited).toBe(0);
  });

  test("goes on after a rejection and a throw that nobody caught, and logs each once", async () => {
    const preload = fileURLToPath(import.meta.resolve("./faulty-preload.ts"));
    const variables = { BUN_OPTIONS: `--preload ${preload}`, VLLM_ROUTER_ALLOW_BUN_OPTIONS: "1" };
    await using child = startChild(serveArgs, variables);
    const url = urlIn(await child.until(LISTENS));
    child.kill("SIGUSR2");
    await child.until(/planted rejection[^]*planted throw|planted throw[^]*planted rejection/);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    child.kill("SIGUSR2");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    const lines = (await child.text("stderr")).split("\n").filter((line) => line.includes("Error: planted"));
    expect(lines).toHaveLength(2);
    for (const line of lines)
      expect(line).toContain("ERROR: A defect of the router, which goes on (logged once)");
  });
});

describe("the environment", () => {
  test.each([
    [{ BUN_CONFIG_MAX_HTTP_REQUESTS: "70000" }, "BUN_CONFIG_MAX_HTTP_REQUESTS"],
    [{ BUN_OPTIONS: "--smol" }, "BUN_OPTIONS"],
  ])("%p is refused in one line", async (variables: Readonly<Record<string, string>>, name) => {
    const { exitCode, stdout, stderr } = await runChild(serveArgs, variables);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    // The runtime itself may have a word to say about its own variables.
    const lines = stderr.split("\n").filter((line) => line.startsWith("vllm-router"));
    expect(lines).toEqual([expect.stringContaining(`vllm-router: error: ${name} is `)]);
  });

  test("gives options, which arguments overrule", async () => {
    const variables = { VLLM_ROUTER_LOG_FORMAT: "json", VLLM_ROUTER_PORT: "tcp://10.0.0.1:80" };
    await using child = startChild(serveArgs, variables);
    const [line = "{}"] = (await child.until(LISTENS)).split("\n");
    expect(JSON.parse(line)).toMatchObject({ level: "INFO" });
    expect(await child.until(LISTENS)).not.toContain("10.0.0.1");
  });
});

test("Ctrl-C that a launcher passes on once more cuts no stream; asked again later, it does", async () => {
  await using engine = await startRawEngine((socket) => socket.write(STREAM_HEAD + rawChunk("data: 1\n\n")));
  await using child = startChild([
    "--host=127.0.0.1",
    "--port=0",
    "--service-discovery=static",
    "--routing-logic=roundrobin",
    `--static-backends=${engine.url}`,
    "--static-models=m",
  ]);
  const url = new URL(urlIn(await child.until(LISTENS)));
  using client = sendRaw(Number(url.port), rawPost("/v1/completions", '{"model":"m","stream":true}'));
  await client.until(/data: 1/);
  child.kill("SIGINT");
  await child.until(/1 under way may finish/);
  child.kill("SIGINT");
  // Longer than an echo takes; the process has a clock of its own.
  await Bun.sleep(700);
  expect(client.socket.readyState).toBe("open");
  child.kill("SIGINT");
  expect(await child.exited).toBe(0);
  const received = await client.closed();
  expect(received).toContain('"code":"router_shutdown"}}\n\n');
  expect(received).not.toEndWith("\r\n0\r\n\r\n");
  expect(await child.text("stderr")).toMatch(/^[^\n]*WARNING: Cutting 1 request that did not end in time /);
});

test.skipIf(!isLinux)("under the npm launcher it ends when its parent is gone", async () => {
  const command = routerCommand.map((word) => `'${word}'`).join(" ");
  const args = serveArgs.join(" ");
  // The shell says which process it has started and then waits, until it is killed.
  const shell = ["/bin/sh", "-c", `${command} ${args} & echo "pid $!"; wait`];
  await using parent = startChild([], { VLLM_ROUTER_SHIM: "1" }, shell);
  const text = await parent.until(/pid \d+[^]*listens on|listens on[^]*pid \d+/);
  expect(text).toMatch(/pid \d+/);
  parent.kill("SIGKILL");
  // Its streams end only when the router, which has inherited them, has ended as well.
  expect(await parent.text("stdout")).toMatch(/Ended[^\n]*\n$/);
});
