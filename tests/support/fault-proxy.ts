import { connect, createServer, type Socket } from "node:net";

/** What a line does to the bytes that an engine sends back; counts are of bytes of one connection. */
export type LineFault =
  /** Nobody listens. */
  | { readonly kind: "refuse" }
  /** Connections are made, and nothing goes either way. */
  | { readonly kind: "hang" }
  /** After so many bytes the connection is closed, is reset, or falls silent. */
  | { readonly kind: "fin" | "rst" | "silence"; readonly after: number }
  /** After so many bytes the engine's half is closed; what the client sends still goes on. */
  | { readonly kind: "half-close"; readonly after: number }
  /** After so many bytes come others. */
  | { readonly kind: "garbage"; readonly after: number }
  /** Every byte comes later. */
  | { readonly kind: "delay"; readonly ms: number }
  /** So many bytes at a time, with a pause between. */
  | { readonly kind: "trickle"; readonly bytes: number; readonly everyMs: number };

/** A line to an engine that can be disturbed. */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Resets what is connected; the fault holds for what connects from now on. `undefined` mends the line. */
  readonly disturb: (fault: LineFault | undefined) => Promise<void>;
  /** Connections accepted so far. */
  readonly connections: () => number;
}

const GARBAGE = Buffer.from("\0\xff\x01 no HTTP \r\n\r\n", "latin1");

/** Lets bytes through up to a count, then does something once. */
const upTo = (after: number, write: (bytes: Buffer) => void, then: () => void) => {
  let left = after;
  let isOver = false;
  return (bytes: Buffer): void => {
    if (isOver) return;
    if (bytes.length <= left) write(bytes);
    else if (left > 0) write(bytes.subarray(0, left));
    left -= bytes.length;
    if (left > 0) return;
    isOver = true;
    then();
  };
};

/** How the engine's bytes go to the client under a fault. */
const carrierOf = (
  fault: LineFault | undefined,
  client: Socket,
  server: Socket,
): ((bytes: Buffer) => void) => {
  const write = (bytes: Buffer): void => {
    if (client.writable) client.write(bytes);
  };
  switch (fault?.kind) {
    case undefined:
    case "refuse":
      return write;
    case "hang":
      return () => {};
    case "fin":
      return upTo(fault.after, write, () => {
        client.end();
        server.destroy();
      });
    case "rst":
      return upTo(fault.after, write, () => {
        // What was written before is to arrive.
        client.write("", () => client.resetAndDestroy());
        server.destroy();
      });
    case "silence":
      return upTo(fault.after, write, () => {});
    case "half-close":
      return upTo(fault.after, write, () => client.end());
    case "garbage":
      return upTo(fault.after, write, () => client.end(GARBAGE));
    case "delay":
      return (bytes) => {
        setTimeout(() => write(bytes), fault.ms);
      };
    case "trickle": {
      let waiting = Buffer.alloc(0);
      const timer = setInterval(() => {
        if (waiting.length > 0) write(waiting.subarray(0, fault.bytes));
        waiting = Buffer.from(waiting.subarray(fault.bytes));
      }, fault.everyMs);
      client.on("close", () => clearInterval(timer));
      return (bytes) => {
        waiting = Buffer.concat([waiting, bytes]);
      };
    }
  }
};

/** Listens on a free port of its own, which it keeps, and connects to the engine's. */
export const startFaultProxy = async (enginePort: number): Promise<FaultProxy> => {
  let fault: LineFault | undefined;
  let accepted = 0;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };

  const server = createServer({ allowHalfOpen: true }, (client) => {
    accepted += 1;
    keep(client);
    const current = fault;
    if (current?.kind === "hang") return;
    const engine = connect({ port: enginePort, host: "127.0.0.1", allowHalfOpen: true });
    keep(engine);
    const carry = carrierOf(current, client, engine);
    engine.on("data", (data) => carry(Buffer.from(data)));
    engine.on("end", () => {
      if (current?.kind !== "silence" && current?.kind !== "trickle") client.end();
    });
    engine.on("close", (hadError) => {
      if (hadError) client.resetAndDestroy();
    });
    client.on("data", (data) => {
      engine.write(Buffer.from(data));
    });
    client.on("end", () => engine.end());
    client.on("close", () => engine.destroy());
  });
  const listen = async (port: number): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
    await promise;
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  };
  const reset = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    reset();
    await promise;
  };
  const port = await listen(0);

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    disturb: async (next) => {
      fault = next;
      reset();
      if (next?.kind === "refuse") await stop();
      else if (!server.listening) await listen(port);
    },
    connections: () => accepted,
    [Symbol.asyncDispose]: stop,
  };
};
