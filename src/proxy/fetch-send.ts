import { signalOf } from "../core/ending.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import {
  type Answer,
  type AnswerBody,
  type BodySink,
  type Bytes,
  isEventStream,
  WHOLE_BODY_LIMIT,
} from "../core/answer.ts";
import type { EngineSend } from "../core/engine-send.ts";
import { endToEndOf } from "./headers.ts";

type Reader = Pick<ReadableStreamDefaultReader<Bytes>, "read" | "cancel">;

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

/** A body that is read from a stream, the next piece only when the one before it has been taken. */
export const bodyOf = (reader: Reader): AnswerBody => {
  let isCancelled = false;
  const flow = async ({ take, ended, failed }: BodySink): Promise<void> => {
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (isCancelled) return;
        if (done) return ended();
        await take(value);
        if (isCancelled) return;
      }
    } catch (error) {
      if (!isCancelled) failed(asError(error));
    }
  };
  return {
    read: async () => {
      const { done, value } = await reader.read();
      return done ? { done } : { done, value };
    },
    flow: (sink) => void flow(sink),
    cancel: () => {
      isCancelled = true;
      // A reader that was ended by its signal rejects here.
      reader.cancel().catch(() => {});
    },
  };
};

const isShort = (length: string | null, { headers }: Pick<Answer, "headers">): boolean =>
  length !== null && Number(length) <= WHOLE_BODY_LIMIT && !isEventStream(headers);

/** What sends requests by the runtime's own client, which speaks TLS. */
export const createFetchSend =
  (fetch: EngineFetch): EngineSend =>
  async (url, request, onHead): Promise<Answer> => {
    const response = await fetch(url, {
      ...request,
      headers: new Headers(request.headers),
      signal: signalOf(request.signal),
    });
    onHead?.();
    const head = { status: response.status, ...endToEndOf(response.headers) };
    // Taken whole without a look at `body`, which would make it a stream first.
    if (isShort(response.headers.get("content-length"), head))
      return { ...head, first: (await response.bytes()) as Bytes };
    const reader = response.body?.getReader() as Reader | undefined;
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    return done || !reader ? { ...head, first: undefined } : { ...head, first: value, rest: bodyOf(reader) };
  };
