import type { Ending } from "../core/ending.ts";
import { type Answer, isEventStream } from "../core/answer.ts";
import type { EngineSend, SentRequest } from "../core/engine-send.ts";
import { reasonOf, RouterError } from "../core/errors.ts";
import { failureOfStatus } from "./next-attempt.ts";
import { readOpeningError } from "./opening-error.ts";

const UNREACHABLE =
  /^(ECONNREFUSED|ConnectionRefused|ENOTFOUND|EAI_AGAIN|DNS\w*|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EADDRNOTAVAIL|FailedToOpenSocket)$/;
const RESET = /^(ECONNRESET|EPIPE|ConnectionClosed|ConnectionReset)$/;

/** The failure of a fetch or of a body's reader, as the router names it. */
export const upstreamError = (error: unknown, signal: Ending): RouterError => {
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
  send: (isFresh: true) => Promise<Answer>,
  signal: Ending,
  failure: RouterError,
): Promise<Answer> => {
  try {
    return await send(true);
  } catch (error) {
    const again = upstreamError(error, signal);
    // An engine that is gone now may have died of what it was sent.
    throw again.code === "upstream_unreachable" ? failure : again;
  }
};

/** An error's body is taken whole up to this many bytes, so that another engine's answer can take its place. */
const WHOLE_ERROR_LIMIT = 64 * 1024;

const takeWhole = async (answer: Answer): Promise<Answer> => {
  const { first, rest } = answer;
  if (!rest) return answer;
  const chunks = first ? [first] : [];
  for (let length = first?.length ?? 0; length <= WHOLE_ERROR_LIMIT;) {
    const { done, value } = await rest.read();
    if (done) return { ...answer, first: Buffer.concat(chunks), rest: undefined };
    length += value.length;
    chunks.push(value);
  }
  return { ...answer, first: Buffer.concat(chunks) };
};

/** Whether an answer can be passed on; a redirect cannot, since it would show an engine's address. */
export const isRelayable = ({ status }: Pick<Answer, "status">): boolean =>
  (status >= 200 && status < 300) || (status >= 400 && status < 600);

/** The error that says that an answer cannot be passed on. */
export const notRelayable = ({ status }: Pick<Answer, "status">): RouterError =>
  new RouterError(
    "upstream_invalid",
    `The engine answered with status ${status}, which a router cannot pass on.`,
  );

const emptyStream = (): RouterError =>
  new RouterError("upstream_invalid", "The engine ended its answer without an event.");

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
  send: EngineSend,
  url: string,
  request: SentRequest,
  { mayReconnect, onHead }: ExchangeOptions,
): Promise<Answer> => {
  const ask = (fresh: boolean): Promise<Answer> => send(url, fresh ? { ...request, fresh } : request, onHead);
  let answer: Answer;
  try {
    answer = await ask(false);
  } catch (error) {
    const failure = upstreamError(error, request.signal);
    // A pooled connection that the engine has closed meanwhile fails at once.
    const isLost = failure.code === "upstream_reset" && !request.signal.aborted;
    if (!isLost || !mayReconnect) throw failure;
    answer = await sendAgain(ask, request.signal, failure);
  }
  const { status, headers, first, rest } = answer;
  if (!isRelayable(answer)) {
    rest?.cancel();
    throw notRelayable(answer);
  }
  try {
    if (status === 200 && isEventStream(headers)) {
      if (!first) throw emptyStream();
      return rest ? await readOpeningError(answer) : answer;
    }
    return rest && failureOfStatus(status) ? await takeWhole(answer) : answer;
  } catch (error) {
    throw upstreamError(error, request.signal);
  }
};
