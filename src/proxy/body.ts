import type { Clock } from "../core/clock.ts";
import { RouterError } from "../core/errors.ts";
import { createWatch, type Watched } from "./watch.ts";

const tooLarge = (maxBytes: number): RouterError =>
  new RouterError(
    "body_too_large",
    `The request body is larger than ${maxBytes} bytes (--max-request-body-bytes).`,
  );

/** A body whose length the client did not tell; reading stops at the first byte too many. */
const readCounted = async (
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
};

/** Reads the whole body of a request of at most so many bytes. */
export type ReadBody = (request: Request, maxBytes: number) => Promise<Uint8Array<ArrayBuffer>>;

/** The whole body. Throws `body_too_large` before anything is buffered where the length is told. */
export const readBody = (request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> => {
  const told = request.headers.get("content-length");
  if (told === null && request.body) return readCounted(request.body, maxBytes);
  if (Number(told) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return request.bytes() as Promise<Uint8Array<ArrayBuffer>>;
};

/** A body that is awaited. */
interface Awaited extends Watched {
  readonly reject: (error: RouterError) => void;
}

/** Reads bodies that have so long to come; one that has not is `body_timeout`, whatever of it is there. */
export const createReadBody = (timeoutMs: number, { clock }: { readonly clock: Clock }): ReadBody => {
  const late = (): RouterError =>
    new RouterError(
      "body_timeout",
      `The request body did not come within ${timeoutMs / 1000} s (--request-body-timeout-seconds).`,
    );
  const watch = createWatch<Awaited>(
    ({ reject }) => {
      reject(late());
      return Number.POSITIVE_INFINITY;
    },
    { clock },
  );
  return (request, maxBytes) => {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    const awaited: Awaited = { dueAt: clock.monotonic() + timeoutMs, place: undefined, reject };
    watch.add(awaited);
    readBody(request, maxBytes).then(
      (bytes) => {
        watch.end(awaited);
        resolve(bytes);
      },
      (error: unknown) => {
        watch.end(awaited);
        reject(error);
      },
    );
    return promise;
  };
};
