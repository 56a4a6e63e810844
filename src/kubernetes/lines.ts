import { KubeError } from "./kube-error.ts";

const LINE_FEED = 0x0a;

/**
 * The lines of a body as they come, without their line feeds. Throws a KubeError where a line is longer than
 * `maxBytes`: it would be as long the next time. A body that ends within a line was cut, which is an error like any
 * of the connection.
 */
export const readLines = async function* (
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let parts: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of body) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      const part = chunk.subarray(start, end < 0 ? undefined : end);
      held += part.length;
      if (held > maxBytes) throw new KubeError(`a line of a watch is longer than ${maxBytes} bytes`);
      if (end < 0) {
        if (part.length > 0) parts.push(part);
        break;
      }
      yield decoder.decode(parts.length === 0 ? part : Buffer.concat([...parts, part]));
      parts = [];
      held = 0;
      start = end + 1;
    }
  }
  if (held > 0) throw new Error("it ended within a line");
};
