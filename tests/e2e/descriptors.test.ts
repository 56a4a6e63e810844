import { expect, test } from "bun:test";
import { connect } from "node:net";
import { builtBinary } from "../support/binary.ts";
import { startChild } from "../cli/child.ts";

const LIMIT = 64;
const CONNECTIONS = 90;

/** Seconds of processor time that a process has used. */
const cpuSeconds = async (pid: number): Promise<number> => {
  const stat = await Bun.file(`/proc/${pid}/stat`).text();
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

test.skipIf(process.platform !== "linux")(
  `${CONNECTIONS} connections where ${LIMIT} files may be open: no processor is used up, others are served within a second`,
  async () => {
    const command = `ulimit -n ${LIMIT} && exec "$0" "$@"`;
    const args = ["--host=127.0.0.1", "--port=0", "--drain-delay-seconds=0", "http://127.0.0.1:9"];
    await using child = startChild(args, {}, ["/bin/sh", "-c", command, await builtBinary()]);
    const [, port = ""] = /listens on http:\/\/[^ ]*:(\d+)/.exec(await child.until(/listens on .*/)) ?? [];
    await child.until(/64 files may be open, which is enough for 25 requests at once; for 4096/);

    using clients = new DisposableStack();
    let connected = 0;
    const { promise: full, resolve: fill } = Promise.withResolvers<void>();
    for (let index = 0; index < CONNECTIONS; index += 1) {
      const socket = connect(Number(port), "127.0.0.1");
      clients.defer(() => socket.destroy());
      socket.on("error", () => {});
      socket.on("connect", () => {
        connected += 1;
        if (connected === LIMIT) fill();
        // Some say nothing, some half of what they want, some are done.
        if (index % 3 === 0) socket.write("GET /health HTTP/1.1\r\n");
        if (index % 3 === 1) socket.write("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
      });
    }
    const begunAt = performance.now();
    await full;

    const before = await cpuSeconds(child.pid);
    let servedAt: number | undefined;
    while (performance.now() - begunAt < 3000) {
      const answer = await fetch(`http://127.0.0.1:${port}/health`, {
        keepalive: false,
        signal: AbortSignal.timeout(1000),
      }).catch(() => undefined);
      if (answer?.status === 200) servedAt ??= performance.now() - begunAt;
      await Bun.sleep(50);
    }
    const used = ((await cpuSeconds(child.pid)) - before) / 3;
    console.info(
      `served again after ${servedAt?.toFixed(0)} ms; ${(used * 100).toFixed(0)} % of a processor meanwhile`,
    );
    expect(servedAt).toBeLessThan(1000);
    expect(used).toBeLessThan(0.3);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  },
  20_000,
);
