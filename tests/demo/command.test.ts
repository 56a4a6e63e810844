import { describe, expect, test } from "bun:test";
import { demo } from "../../src/cli/demo.ts";
import { parseArgv } from "../../src/config/argv.ts";
import { sharedModel } from "../../src/demo/fleet.ts";
import { lendPlatform } from "../cli/lent.ts";

/** Starts the demo with engines that take no time. */
const start = (argv: readonly string[] = [], changes: Parameters<typeof lendPlatform>[0] = {}) => {
  const lent = lendPlatform(changes);
  const exitCode = demo.run(parseArgv(demo.options, ["--time-scale=0", ...argv]), lent.platform);
  return { ...lent, exitCode };
};

/** The rows of the closing table, by the title of the column. */
const tableIn = (output: string): readonly Readonly<Record<string, string>>[] => {
  const lines = output.split("\n");
  const top = lines.findIndex((line) => line.startsWith("request "));
  const titles = lines[top]?.split(/ {2,}/) ?? [];
  return lines.slice(top + 2, lines.indexOf("", top)).map((line) => {
    const cells = line.split(/ {2,}/);
    return Object.fromEntries(titles.map((title, index) => [title, cells[index] ?? ""]));
  });
};

describe("to its end", () => {
  test("it answers every request and tells which engine was chosen and why", async () => {
    const { exitCode, stdout, stderr } = start();
    expect([await exitCode, stderr()]).toEqual([0, ""]);
    const rows = tableIn(stdout());
    expect(rows.map(({ request }) => request)).toEqual([
      "1 alice",
      "2 alice",
      "3 bob, smart",
      "4 carol",
      "5 no session",
      "6 no session",
    ]);
    const [first, second, third] = rows;
    expect(first).toMatchObject({ model: sharedModel, cached: "0%", why: "session on the hash ring" });
    expect(third).toMatchObject({ model: "qwen3-32b", engine: "engine C" });
    expect(second?.["engine"]).toBe(first?.["engine"] ?? "");
    // Most of the second prompt is the conversation of the first request, on the same engine.
    expect(Number.parseInt(second?.["cached"] ?? "", 10)).toBeGreaterThan(50);
    for (const row of rows.slice(4)) expect(row["why"]).toBe("no session id: lowest request rate");
    for (const { engine, TTFT = "" } of rows) {
      expect(engine).toMatch(/^engine [ABC]$/);
      expect(TTFT).toMatch(/^\d+(\.\d)? ms$/);
    }
  });

  test("with divided work an engine that prefills is named before the one that answers", async () => {
    const { exitCode, stdout, stderr } = start(["--disaggregated"]);
    expect([await exitCode, stderr()]).toEqual([0, ""]);
    expect(stdout()).toMatch(/^ {3}engine A \(.+\)\n {3}engine B \(least load: 0 waiting, 0 decoding\)$/m);
    const engines = tableIn(stdout()).map(({ engine }) => engine);
    expect(engines).toEqual(["B", "B", "D", "B", "B", "B"].map((name) => `engine ${name}`));
    // Of a prompt that another engine computed one token is left to do.
    for (const { cached = "" } of tableIn(stdout())) expect(Number.parseInt(cached, 10)).toBeGreaterThan(98);
    expect(stdout()).toMatch(/^vllm-router demo --serve --disaggregated --port \d+$/m);
  });

  test("the tokens of a request are written as they come", async () => {
    const writes: string[] = [];
    const { exitCode } = start([], { write: (_stream, text) => writes.push(text) });
    expect(await exitCode).toBe(0);
    const begin = writes.findIndex((text) => text.endsWith("ring)"));
    const answer = writes.slice(
      begin + 1,
      writes.findIndex((text) => text.startsWith("2")),
    );
    expect(answer.length).toBeGreaterThan(20);
    for (const text of answer) expect(text.trim().split(" ")).toHaveLength(1);
  });

  test("it ends with the command that keeps it running, and that as it was called", async () => {
    const plain = start();
    const npm = start([], { env: { npm_lifecycle_event: "demo" } });
    expect([await plain.exitCode, await npm.exitCode]).toEqual([0, 0]);
    expect(plain.stdout()).toMatch(/^vllm-router demo --serve --port \d+$/m);
    expect(npm.stdout()).toMatch(/^npm run demo -- --serve --port \d+$/m);
  });
});

describe("what it prints", () => {
  const escape = "\u001b";

  test("is plain text where nobody watches, and where NO_COLOR is set", async () => {
    const piped = start([], { isTerminal: () => false });
    const plain = start([], { isTerminal: () => true, env: { NO_COLOR: "1" } });
    expect([await piped.exitCode, await plain.exitCode]).toEqual([0, 0]);
    expect(piped.stdout()).not.toContain(escape);
    expect(plain.stdout()).not.toContain(escape);
  });

  test("has colours on a terminal, and the same words", async () => {
    const { exitCode, stdout } = start([], { isTerminal: () => true });
    expect(await exitCode).toBe(0);
    expect(stdout()).toContain(`${escape}[1mvllm-router demo${escape}[0m`);
    const words = Bun.stripANSI(stdout());
    expect(words).toMatch(/^5 no session +llama-3.1-8b +engine [AB] +no session id: lowest request rate/m);
  });

  test.each([40, 64, 80, 200])(
    "fits a screen of %d columns, but for what is to be copied",
    async (columns) => {
      const { exitCode, stdout } = start([], { columns: () => columns });
      expect(await exitCode).toBe(0);
      const [shown = ""] = stdout().split("Keep it running\n");
      for (const line of shown.split("\n").filter((text) => !text.includes("http://"))) {
        expect(line.length).toBeLessThanOrEqual(columns);
      }
    },
  );
});

describe("with --serve", () => {
  /** The arguments that a shell would give to curl. */
  const curlArguments = async (output: string): Promise<readonly string[]> => {
    const [, command = ""] = /^(curl [^]*?)\n\n/m.exec(output) ?? [];
    const shell = Bun.spawn(["sh", "-c", `curl() { printf '%s\\0' "$@"; }; ${command}`], {
      stderr: "inherit",
    });
    return (await shell.stdout.text()).split("\0").slice(0, -1);
  };

  test("the printed curl is answered with a stream, and a signal ends it with 0", async () => {
    const { exitCode, stdout, line, stop } = start(["--serve"]);
    await line(/serves until/);
    const [noBuffer, url = "", header, contentType = "", data, body = ""] = await curlArguments(stdout());
    expect([noBuffer, header, data]).toEqual(["-N", "-H", "-d"]);
    const headers = { "content-type": contentType.replace("content-type: ", "") };
    const response = await fetch(url, { method: "POST", headers, body });
    expect(response.status).toBe(200);
    expect(await response.text()).toEndWith("data: [DONE]\n\n");
    stop.abort();
    expect(await exitCode).toBe(0);
    expect(await fetch(url).catch(() => "refused")).toBe("refused");
  });

  test("both SDK lines name the router's address", async () => {
    const { exitCode, stdout, line, stop } = start(["--serve"]);
    await line(/serves until/);
    stop.abort();
    expect(await exitCode).toBe(0);
    const [, url = ""] = /^ {2}router +(\S+)/m.exec(stdout()) ?? [];
    expect(stdout()).toContain(`OpenAI(base_url="${url}/v1", api_key="unused")`);
    expect(stdout()).toContain(`new OpenAI({ baseURL: "${url}/v1", apiKey: "unused" })`);
  });
});

describe("not to its end", () => {
  test("a signal ends it in the middle, with 1", async () => {
    const { exitCode, stdout, line, stop } = start(["--time-scale=1"]);
    await line(/ring\)$/);
    stop.abort();
    expect(await exitCode).toBe(1);
    expect(stdout()).toEndWith("\nEnded before it was over\n");
  });

  test("a port that is taken is one line on stderr, with 1", async () => {
    // One that would share it, as a server of the runtime does by default.
    using other = Bun.serve({ hostname: "127.0.0.1", port: 0, reusePort: true, fetch: () => new Response() });
    const { exitCode, stdout, stderr } = start([`--port=${other.port}`]);
    expect(await exitCode).toBe(1);
    expect(stderr()).toMatch(/^vllm-router: error: [^\n]*port[^\n]*\n$/i);
    expect(stdout()).toBe("");
  });
});
