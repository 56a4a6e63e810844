import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { constants, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineFetch, engineReach, systemClock, systemRandom } from "../src/platform.ts";
import { repository } from "./support/binary.ts";
import { rawAnswer, startRawEngine } from "./support/raw-engine.ts";

describe("a request to an engine", () => {
  const { signal } = new AbortController();
  const post = { method: "POST", headers: new Headers(), body: new Uint8Array([1]), signal };

  test("is not redirected", async () => {
    await using engine = await startRawEngine((socket) =>
      socket.write(rawAnswer("", { location: "/elsewhere" }, "307 Temporary Redirect")),
    );
    expect((await engineFetch(engine.url, post)).status).toBe(307);
    expect(engine.requests).toHaveLength(1);
  });

  test("asks for no encoding by itself, and an encoded answer keeps its bytes", async () => {
    const bytes = Bun.gzipSync(new Uint8Array(Buffer.from("hello")));
    await using engine = await startRawEngine((socket) =>
      socket.write(rawAnswer(bytes, { "content-encoding": "gzip" })),
    );
    const response = await engineFetch(engine.url, post);
    expect(await response.bytes()).toEqual(bytes);
    expect(engine.requests[0]?.head).not.toMatch(/accept-encoding/i);
  });

  test("goes past the proxies that the environment names", async () => {
    await using trap = await startRawEngine((socket) => socket.write(rawAnswer("trapped")));
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("answered")));
    const script = `
      import { engineFetch } from ${JSON.stringify(join(repository, "src/platform.ts"))};
      const request = { method: "GET", headers: new Headers(), signal: new AbortController().signal };
      console.log(await (await engineFetch(${JSON.stringify(engine.url)}, request)).text());
    `;
    const env = { ...process.env, HTTP_PROXY: trap.url, http_proxy: trap.url, NO_PROXY: undefined };
    const child = Bun.spawn([process.execPath, "-e", script], { env, stdio: ["ignore", "pipe", "inherit"] });
    expect(await child.stdout.text()).toBe("answered\n");
    expect(trap.requests).toEqual([]);
  });

  test("uses a pooled connection, or a fresh one where that is wanted", async () => {
    await using engine = await startRawEngine((socket) => socket.write(rawAnswer("{}")));
    const send = async (fresh: boolean): Promise<void> => {
      const response = await engineFetch(engine.url, { ...post, fresh });
      await response.text();
    };
    await send(false);
    await send(false);
    expect(engine.connections()).toBe(1);
    await send(true);
    expect(engine.connections()).toBe(2);
    expect(engine.requests[2]?.head).not.toMatch(/^fresh/im);
  });
});

describe("whether an engine can be reached", () => {
  const { signal } = new AbortController();

  test("is whether it takes a connection, which is closed at once and carries nothing", async () => {
    await using engine = await startRawEngine(() => {});
    expect(await engineReach(`${engine.url}/some/path`, signal)).toBe(true);
    await engine.closed(0);
    expect(engine.requests).toEqual([]);
    await engine[Symbol.asyncDispose]();
    expect(await engineReach(engine.url, signal)).toBe(false);
  });

  test("is not, where its name is nobody's", async () => {
    expect(await engineReach("http://nobody.invalid:8000", signal)).toBe(false);
  });

  test("is not, when the time is up before", async () => {
    await using engine = await startRawEngine(() => {});
    const deadline = new AbortController();
    const reached = engineReach(engine.url, deadline.signal);
    deadline.abort();
    expect(await reached).toBe(false);
    expect(await engineReach(engine.url, deadline.signal)).toBe(false);
  });
});

test("randomness is spread from 0 to below 1", () => {
  const drawn = Array.from({ length: 1000 }, () => systemRandom());
  expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true);
  expect(Math.min(...drawn)).toBeLessThan(0.1);
  expect(Math.max(...drawn)).toBeGreaterThan(0.9);
});

describe("the real clock", () => {
  test("runs a task after its delay, and not at all when it is cancelled", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const begin = systemClock.monotonic();
    let isCancelledRun = false;
    const cancelled = systemClock.after(1, () => (isCancelledRun = true));
    systemClock.after(20, () => resolve(systemClock.monotonic()));
    cancelled[Symbol.dispose]();
    expect((await promise) - begin).toBeGreaterThanOrEqual(19);
    expect(isCancelledRun).toBe(false);
  });

  test("tells the time of day", () => {
    expect(Math.abs(systemClock.now() - new Date().getTime())).toBeLessThan(1000);
  });

  test("does not take what is too long for the runtime for no delay at all", async () => {
    const fired: number[] = [];
    for (const delayMs of [2 ** 31, 1e12, Number.POSITIVE_INFINITY]) {
      systemClock.after(delayMs, () => fired.push(delayMs));
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    systemClock.after(20, resolve);
    await promise;
    expect(fired).toEqual([]);
  });
});

describe("the process's own streams", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "platform-"));
  });
  afterAll(async () => rm(folder, { recursive: true, force: true }));

  /** A program that writes lines to both streams, then says on standard error what became of them. */
  const program = (lines: number): string => `
    import { writeSync } from "node:fs";
    import { createProcessWriter } from ${JSON.stringify(join(repository, "src/platform.ts"))};
    const writer = createProcessWriter();
    const begin = performance.now();
    for (let line = 0; line < ${lines}; line += 1)
      writer.write("stdout", line + " " + "x".repeat(100) + "\\n");
    const writtenMs = performance.now() - begin;
    await writer.flush();
    writeSync(2, JSON.stringify({ dropped: writer.dropped(), writtenMs }));
    process.exit(7);
  `;

  const run = (lines: number, stdout: "pipe" | number) => {
    const child = Bun.spawn([process.execPath, "-e", program(lines)], {
      cwd: folder,
      stdio: ["ignore", stdout, "pipe"],
    });
    return {
      child,
      report: new Response(child.stderr).json() as Promise<{ dropped: number; writtenMs: number }>,
    };
  };

  test("carry every line in order to who reads them", async () => {
    const { child, report } = run(20_000, "pipe");
    const text = await new Response(child.stdout as ReadableStream<Uint8Array>).text();
    expect((await report).dropped).toBe(0);
    const numbers = text
      .trimEnd()
      .split("\n")
      .map((line) => Number.parseInt(line, 10));
    expect(numbers).toEqual(Array.from({ length: 20_000 }, (_, index) => index));
    expect(await child.exited).toBe(7);
  });

  test.skipIf(process.platform !== "linux")(
    "lose lines, and count them, where nobody can take them",
    async () => {
      const { child, report } = run(1000, openSync("/dev/full", "w"));
      expect((await report).dropped).toBe(1000);
      expect(await child.exited).toBe(7);
    },
  );

  test.skipIf(process.platform === "win32")(
    "keep nobody waiting where the reader stalls, not even the end of the process",
    async () => {
      const fifo = join(folder, "fifo");
      expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0);
      const { child, report } = run(200_000, openSync(fifo, constants.O_RDWR));
      const { dropped, writtenMs } = await report;
      expect(dropped).toBeGreaterThan(100_000);
      expect(writtenMs).toBeLessThan(1000);
      expect(await child.exited).toBe(7);
    },
  );
});
