import { RouterError } from "../core/errors.ts";

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

/** The whole body. Throws `body_too_large` before anything is buffered where the length is told. */
export const readBody = (request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> => {
  const told = request.headers.get("content-length");
  if (told === null && request.body) return readCounted(request.body, maxBytes);
  if (Number(told) > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return request.bytes() as Promise<Uint8Array<ArrayBuffer>>;
};
