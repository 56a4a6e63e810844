import type { EngineFetch, EngineRequest } from "../core/engine-fetch.ts";
import { reasonOf, RouterError } from "../core/errors.ts";
import { isEventStream } from "./headers.ts";
import { failureOfStatus } from "./next-attempt.ts";
import { readOpeningError } from "./opening-error.ts";

/** A body that is being read. */
export type BodyReader = Pick<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>, "read" | "cancel">;

/** An engine's answer of which nothing has gone downstream yet. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The whole body where it is short, otherwise its first chunk. */
  readonly first: Uint8Array<ArrayBuffer> | undefined;
  /** The rest of the body; absent when `first` is all of it. */
  readonly rest?: BodyReader;
}

/** Bodies of a known length up to this many bytes are taken whole: cheaper, and a cut one can still be replaced. */
const WHOLE_BODY_LIMIT = 256 * 1024;

const UNREACHABLE =
  /^(ECONNREFUSED|ConnectionRefused|ENOTFOUND|EAI_AGAIN|DNS\w*|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EADDRNOTAVAIL|FailedToOpenSocket)$/;
const RESET = /^(ECONNRESET|EPIPE|ConnectionClosed|ConnectionReset)$/;

/** The failure of a fetch or of a body's reader, as the router names it. */
export const upstreamError = (error: unknown, signal: AbortSignal): RouterError => {
  if (error instanceof RouterError) return error;
  const options = { cause: error };
  if (signal.aborted) return reasonOf(signal, error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (UNREACHABLE.test(code))
    return new RouterError("upstream_unreachable", "The engine cannot be reached.", options);
  if (RESET.test(code))
    return new RouterError("upstream_reset", "The engine closed the connection without an answer.", options);
  return new RouterError("upstream_invalid", "The engine's answer is not valid HTTP.", options);
};

/** Sends what was lost with its connection on a new one, which settles whether the engine lives. */
const sendAgain = async (
  fetch: EngineFetch,
  url: string,
  request: EngineRequest,
  failure: RouterError,
): Promise<Response> => {
  try {
    return await fetch(url, { ...request, fresh: true });
  } catch (error) {
    const again = upstreamError(error, request.signal);
    // An engine that is gone now may have died of what it was sent.
    throw again.code === "upstream_unreachable" ? failure : again;
  }
};

/** An error's body is taken whole up to this many bytes, so that another engine's answer can take its place. */
const WHOLE_ERROR_LIMIT = 64 * 1024;

const takeWhole = async (answer: Answer): Promise<Answer> => {
  const { status, headers, first, rest } = answer;
  if (!rest) return answer;
  const chunks = first ? [first] : [];
  for (let length = first?.length ?? 0; length <= WHOLE_ERROR_LIMIT;) {
    const { done, value } = await rest.read();
    if (done) return { status, headers, first: Buffer.concat(chunks) };
    length += value.length;
    chunks.push(value);
  }
  return { ...answer, first: Buffer.concat(chunks) };
};

/** Whether an answer can be passed on; a redirect cannot, since it would show an engine's address. */
export const isRelayable = ({ status }: Response): boolean =>
  (status >= 200 && status < 300) || (status >= 400 && status < 600);

/** Drops an answer that cannot be passed on; resolves to the error that says so. */
export const refuse = async ({ status, body }: Response): Promise<RouterError> => {
  await body?.cancel();
  return new RouterError(
    "upstream_invalid",
    `The engine answered with status ${status}, which a router cannot pass on.`,
  );
};

const emptyStream = (): RouterError =>
  new RouterError("upstream_invalid", "The engine ended its answer without an event.");

const isShort = (headers: Headers): boolean => {
  const length = headers.get("content-length");
  return length !== null && Number(length) <= WHOLE_BODY_LIMIT && !isEventStream(headers);
};

interface ExchangeOptions {
  /** Where a connection is lost without a byte the request is sent once more on a new one. */
  readonly mayReconnect: boolean;
  /** Called when the head of the answer has come. */
  readonly onHead?: () => void;
}

/**
 * One attempt: sends the request and waits for the head and the first bytes of the body, so that until then
 * another engine can still take over. Throws `upstream_*`, or why the signal ended it.
 */
export const exchange = async (
  fetch: EngineFetch,
  url: string,
  request: EngineRequest,
  { mayReconnect, onHead }: ExchangeOptions,
): Promise<Answer> => {
  let response: Response;
  try {
    response = await fetch(url, request);
  } catch (error) {
    const failure = upstreamError(error, request.signal);
    // A pooled connection that the engine has closed meanwhile fails at once.
    const isLost = failure.code === "upstream_reset" && !request.signal.aborted;
    if (!isLost || !mayReconnect) throw failure;
    response = await sendAgain(fetch, url, request, failure);
  }
  onHead?.();
  const { status, headers } = response;
  try {
    if (!isRelayable(response)) throw await refuse(response);
    // Taken whole without a look at `body`, which would make it a stream first.
    if (isShort(headers))
      return { status, headers, first: (await response.bytes()) as Uint8Array<ArrayBuffer> };
    const rest: BodyReader | undefined = response.body?.getReader();
    const { done, value } = (await rest?.read()) ?? { done: true, value: undefined };
    if (done || !rest) {
      if (status === 200 && isEventStream(headers)) throw emptyStream();
      return { status, headers, first: undefined };
    }
    const answer = { status, headers, first: value, rest };
    if (status === 200 && isEventStream(headers)) return await readOpeningError(answer);
    return failureOfStatus(status) ? await takeWhole(answer) : answer;
  } catch (error) {
    throw upstreamError(error, request.signal);
  }
};
