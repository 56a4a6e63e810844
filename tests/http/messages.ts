import { rawAnswer, type RawEngine, startRawEngine } from "../support/raw-engine.ts";
import { type RawClient, sendRaw } from "../support/raw-client.ts";
import { startRouter } from "../support/router.ts";

/** The body of every message here. */
export const body = '{"model":"m"}';
/** The body in chunks. */
export const CHUNKS = `d\r\n${body}\r\n0\r\n\r\n`;
/** What a smuggler would like to be taken for a request of its own: of a path that nothing else here asks for. */
export const INNER = `POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n${body}`;

/** The head of a message with these header lines. */
export const post = (...headers: readonly string[]): string =>
  ["POST /v1/completions HTTP/1.1", "Host: a", ...headers, "", ""].join("\r\n");
/** A message with a length, and these header lines besides. */
export const sized = (...headers: readonly string[]): string => post("Content-Length: 13", ...headers) + body;
/** A message in chunks. */
export const chunked = (chunks: string): string => post("Transfer-Encoding: chunked") + chunks;
/** A message with this request line. */
export const startingWith = (line: string): string =>
  [line, "Host: a", "Content-Length: 13", "", body].join("\r\n");
/** A message for this host. */
export const withHost = (host: string): string => sized().replace("Host: a", `Host: ${host}`);
/** So many header lines. */
export const lines = (count: number, value: string): string[] =>
  Array.from({ length: count }, (_, index) => `X-${index}: ${value}`);

/** A message by what is odd about it. */
export type Case = readonly [what: string, bytes: string];

/** The statuses of the answers in these bytes. */
export const statusesOf = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

/** A router before an engine that tells it what was sent. */
export interface Wire extends AsyncDisposable {
  readonly engine: RawEngine;
  readonly port: number;
  readonly send: (bytes: string) => RawClient;
  /** Request lines that have come to the engine, once everything that was sent before has been dealt with. */
  readonly reached: (before: number) => Promise<readonly string[]>;
}

/** Starts both. */
export const startWire = async (): Promise<Wire> => {
  const engine = await startRawEngine((socket, { body: received }) => socket.write(rawAnswer(received)));
  const router = startRouter({ backends: [{ url: engine.url, models: ["m"] }] });
  const send = (bytes: string): RawClient => sendRaw(router.port, Buffer.from(bytes, "latin1"));
  const last = "POST /v1/score?after HTTP/1.1";
  return {
    engine,
    port: router.port,
    send,
    reached: async (before) => {
      using client = send(startingWith(last));
      await client.until(/\r\n\r\n\{"model":"m"\}/);
      return engine.requests
        .slice(before)
        .map(({ head }) => head.split("\r\n")[0] ?? "")
        .filter((line) => line !== last);
    },
    [Symbol.asyncDispose]: async () => {
      await router[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
    },
  };
};
