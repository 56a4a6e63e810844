import { describe, expect, test } from "bun:test";
import { createEngineStreams } from "../../../scripts/bench/engine-streams.ts";
import { openHeldStream } from "../../../scripts/bench/held-connection.ts";
import { heldWorkloads } from "../../../scripts/bench/held-workloads.ts";
import { openMonotonicClock } from "../../../scripts/bench/monotonic.ts";
import { requestBytes } from "../../../scripts/bench/workloads.ts";

const isLinux = process.platform === "linux";

/** An engine in this process that answers everything with what `respond` does. */
const startServer = (respond: (socket: Bun.Socket) => void, onClose: (socket: Bun.Socket) => void) => {
  const sockets = new Set<Bun.Socket>();
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => void sockets.add(socket),
      data: (socket) => respond(socket),
      close: (socket) => onClose(socket),
    },
  });
  return { port: listener.port, sockets, [Symbol.dispose]: () => listener.stop(true) };
};

describe.skipIf(!isLinux)("a held stream", () => {
  const [workload] = heldWorkloads;
  if (!workload) throw new Error("there is no held workload");
  const nanos = openMonotonicClock();
  const requestTo = (port: number) => ({
    port,
    request: requestBytes(workload.body, `127.0.0.1:${port}`, 1),
    nanos,
  });

  test("tells what each event took, until it is lost", async () => {
    const streams = createEngineStreams<Bun.Socket>(heldWorkloads, {
      nanos,
      write: (socket, bytes) => void socket.write(bytes),
    });
    using server = startServer((socket) => streams.hold(socket, workload), streams.forget);
    const latencies: number[] = [];
    const several = Promise.withResolvers<void>();
    const lost = Promise.withResolvers<void>();
    await openHeldStream(requestTo(server.port), {
      onEvent: (latencyMs) => {
        latencies.push(latencyMs);
        if (latencies.length === 3) several.resolve();
      },
      onRead: () => {},
      onLost: lost.resolve,
    });
    expect(latencies).toHaveLength(1);
    await several.promise;
    for (const latency of latencies) expect(latency).toBeWithin(0, 10_000);
    for (const socket of server.sockets) socket.terminate();
    await lost.promise;
  });

  test.each([
    ["another status", "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"],
    ["another body", "HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n".padEnd(440, "x")],
  ])("is refused where the answer has %s", async (_what, answer) => {
    using server = startServer(
      (socket) => void socket.write(answer),
      () => {},
    );
    const nothing = { onEvent: () => {}, onRead: () => {}, onLost: () => {} };
    expect(openHeldStream(requestTo(server.port), nothing)).rejects.toThrow("the stream was refused");
  });
});

describe.skipIf(!isLinux)("the monotonic clock", () => {
  test("is the one that all processes share", async () => {
    const nanos = openMonotonicClock();
    const script = `import { openMonotonicClock } from ${JSON.stringify(require.resolve("../../../scripts/bench/monotonic.ts"))};
      process.stdout.write(String(openMonotonicClock()()));`;
    const before = nanos();
    const other = Number(await Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" }).stdout.text());
    expect(other).toBeWithin(before, nanos());
  });
});
