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
export const readBody = async (request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> => {
  const told = request.headers.get("content-length");
  if (told === null) return request.body ? readCounted(request.body, maxBytes) : new Uint8Array();
  if (Number(told) > maxBytes) throw tooLarge(maxBytes);
  return new Uint8Array(await request.arrayBuffer());
};
