import type { Wire, WireEvents } from "../core/dial.ts";
import { type Answer, type Bytes, isEventStream, WHOLE_BODY_LIMIT } from "../core/answer.ts";
import type { SentRequest } from "../core/engine-send.ts";
import type { AnswerHead } from "./answer-head.ts";
import { createAnswerParser } from "./answer-parser.ts";
import { type ArrivingBody, createArrivingBody } from "./arriving-body.ts";

/** A connection to an engine, for one request at a time. */
export interface Connection extends WireEvents {
  /** Sends a request whose head is ready; as `EngineSend`. */
  readonly send: (head: string, request: SentRequest, onHead?: () => void) => Promise<Answer>;
  /** Has it end unless it is used within so many seconds, give or take 4. */
  readonly keepFor: (seconds: number) => void;
}

interface ConnectionDeps {
  /** Where requests are put together that go out at once; all connections may share it. */
  readonly scratch: Buffer<ArrayBuffer>;
  /** Called whenever another request may be sent, for so many seconds where the engine says so. */
  readonly onIdle: (keptSeconds: number | undefined) => void;
  /** Called once, when it is of no more use. */
  readonly onGone: () => void;
}

/** What is awaited: a head, then a body. */
interface Exchange {
  readonly request: SentRequest;
  readonly onHead: (() => void) | undefined;
  /** Settled with what there is at the first bytes. */
  readonly answer: PromiseWithResolvers<Answer>;
  head: AnswerHead | undefined;
  /** Pieces of a body that is taken whole. */
  whole: Bytes[] | undefined;
  /** Present when the answer has been given and its body is to come. */
  body: ArrivingBody | undefined;
}

const lost = (): Error =>
  Object.assign(new Error("The engine closed the connection before its answer was complete."), {
    code: "ECONNRESET",
  });

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

/** Creates the use of a connection that was just made. */
export const createConnection = (wire: Wire, { scratch, onIdle, onGone }: ConnectionDeps): Connection => {
  let exchange: Exchange | undefined;
  /** What of the request the system has not taken. */
  let unsent: Bytes | undefined;
  let isPaused = false;
  let isGone = false;

  const pause = (): void => {
    isPaused = true;
    wire.pause();
  };
  const resume = (): void => {
    isPaused = false;
    wire.resume();
  };

  const leave = (): void => {
    if (isGone) return;
    isGone = true;
    unsent = undefined;
    onGone();
  };

  const drop = (): void => {
    leave();
    wire.terminate();
  };

  const write = (bytes: Bytes, length = bytes.length): void => {
    const taken = wire.write(bytes, 0, length);
    if (taken < 0) return fail(lost());
    // A part of the scratch space is somebody else's by the time the system takes it.
    if (taken < length)
      unsent = bytes.buffer === scratch.buffer ? bytes.slice(taken, length) : bytes.subarray(taken, length);
  };

  const over = (): Exchange | undefined => {
    const ended = exchange;
    exchange = undefined;
    ended?.request.signal.removeEventListener("abort", abort);
    return ended;
  };

  const cancel = (): void => {
    over();
    drop();
  };

  /** Nothing more is awaited, for this reason. */
  const fail = (error: Error): void => {
    const ended = over();
    drop();
    ended?.answer.reject(error);
    ended?.body?.fail(error);
  };

  const abort = (): void => {
    const ended = over();
    drop();
    const reason = asError(ended?.request.signal.reason);
    ended?.answer.reject(reason);
    ended?.body?.cut(reason);
  };

  const give = ({ answer, head }: Exchange, first: Bytes | undefined, body?: ArrivingBody): void => {
    if (!head) return;
    const { status, headers, cookies } = head;
    answer.resolve({ status, headers, cookies, first, rest: body?.body });
  };

  const parser = createAnswerParser({
    head: (head) => {
      if (!exchange) return;
      exchange.head = head;
      const { length, headers } = head;
      if (typeof length === "number" && length <= WHOLE_BODY_LIMIT && !isEventStream(headers))
        exchange.whole = [];
      exchange.onHead?.();
    },
    piece: (bytes, isLast) => {
      if (!exchange) return;
      const { whole, body, head } = exchange;
      if (whole) whole.push(bytes);
      else if (body) body.add(bytes);
      else if (isLast && head && !isEventStream(head.headers)) give(exchange, bytes);
      else {
        exchange.body = createArrivingBody({ pause, resume, cancel });
        give(exchange, bytes, exchange.body);
      }
    },
    end: (isReusable) => {
      const ended = over();
      if (!ended) return;
      const { whole, body, head } = ended;
      if (isReusable && !unsent) {
        // A reader that holds the last bytes holds nobody else's.
        if (isPaused) resume();
        onIdle(head?.keptSeconds);
      } else drop();
      if (whole) give(ended, whole.length === 1 ? whole[0] : Buffer.concat(whole));
      else if (body) body.end();
      else give(ended, undefined);
    },
  });

  return {
    send: (head, request, onHead) => {
      const { body, method, signal } = request;
      const answer = Promise.withResolvers<Answer>();
      exchange = { request, onHead, answer, head: undefined, whole: undefined, body: undefined };
      if (signal.aborted) {
        abort();
        return answer.promise;
      }
      signal.addEventListener("abort", abort);
      wire.timeout(0);
      parser.expect(method);
      const length = head.length + (body?.length ?? 0);
      if (length <= scratch.length) {
        scratch.write(head, "latin1");
        if (body) scratch.set(body, head.length);
        write(scratch, length);
      } else {
        write(Buffer.from(head, "latin1"));
        if (body) {
          if (unsent) unsent = Buffer.concat([unsent, body]);
          else write(body);
        }
      }
      return answer.promise;
    },
    keepFor: (seconds) => wire.timeout(seconds),
    data: (bytes) => {
      if (isGone) return;
      try {
        parser.read(bytes);
      } catch (error) {
        fail(asError(error));
      }
    },
    drain: () => {
      const rest = unsent;
      unsent = undefined;
      if (rest) write(rest);
    },
    close: () => {
      leave();
      if (!parser.close()) fail(lost());
    },
  };
};
