import type { EngineFetch, EngineRequest } from "../core/engine-fetch.ts";
import { reasonOf, RouterError } from "../core/errors.ts";
import { isEventStream } from "./headers.ts";

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

/**
 * A pooled connection that the engine has closed meanwhile fails at once; a new one settles whether it lives.
 */
const sendOverLiveConnection = (
  fetch: EngineFetch,
  url: string,
  request: EngineRequest,
  isReplaySafe: boolean,
): Promise<Response> =>
  fetch(url, request).catch(async (error: unknown) => {
    const failure = upstreamError(error, request.signal);
    if (!isReplaySafe || failure.code !== "upstream_reset") throw failure;
    return fetch(url, { ...request, fresh: true }).catch((again: unknown) => {
      throw upstreamError(again, request.signal);
    });
  });

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

const isShort = (headers: Headers): boolean => {
  const length = headers.get("content-length");
  return length !== null && Number(length) <= WHOLE_BODY_LIMIT && !isEventStream(headers);
};

/**
 * One attempt: sends the request and waits for the head and the first bytes of the body, so that until then
 * another engine can still take over. Throws `upstream_*`, or why the signal ended it.
 */
export const exchange = async (
  fetch: EngineFetch,
  url: string,
  request: EngineRequest,
  isReplaySafe: boolean,
): Promise<Answer> => {
  const response = await sendOverLiveConnection(fetch, url, request, isReplaySafe);
  const { status, headers } = response;
  try {
    if (!isRelayable(response)) throw await refuse(response);
    // Taken whole without a look at `body`, which would make it a stream first.
    if (isShort(headers))
      return { status, headers, first: (await response.bytes()) as Uint8Array<ArrayBuffer> };
    const rest: BodyReader | undefined = response.body?.getReader();
    const { done, value } = (await rest?.read()) ?? { done: true, value: undefined };
    return done || !rest ? { status, headers, first: undefined } : { status, headers, first: value, rest };
  } catch (error) {
    throw upstreamError(error, request.signal);
  }
};
