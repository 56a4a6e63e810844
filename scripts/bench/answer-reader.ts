/** What is known of an answer while it arrives. */
export interface AnswerReader {
  /** Takes the next bytes and tells whether the answer is complete. Throws on what is not HTTP/1.1. */
  readonly push: (bytes: Buffer) => boolean;
  /** 0 until the head is complete. */
  readonly status: () => number;
  /** Bytes of the body so far, without the framing of chunks. */
  readonly bodyBytes: () => number;
}

type State =
  | { readonly kind: "line"; readonly of: "head" | "size" | "after-chunk" | "trailer" }
  | { readonly kind: "bytes"; left: number; readonly isChunk: boolean }
  | { readonly kind: "end" };

const MAX_LINE = 64 * 1024;

/** Reads one answer framed by a length or by chunks, however its bytes are cut; `onBody` gets those of its body. */
export const createAnswerReader = (onBody?: (bytes: Buffer) => void): AnswerReader => {
  let state: State = { kind: "line", of: "head" };
  let line = "";
  let status = 0;
  let bodyBytes = 0;
  let length: number | undefined;
  let isChunked = false;

  const headLine = (text: string): State => {
    if (status === 0) {
      const match = /^HTTP\/1\.1 (\d{3})( |$)/.exec(text);
      if (!match) throw new Error(`not a status line: ${JSON.stringify(text.slice(0, 80))}`);
      status = Number(match[1]);
      return { kind: "line", of: "head" };
    }
    if (text !== "") {
      const [name = "", value = ""] = text.toLowerCase().split(/: */, 2);
      if (name === "content-length") length = Number(value);
      if (name === "transfer-encoding") isChunked = value === "chunked";
      return { kind: "line", of: "head" };
    }
    if (isChunked) return { kind: "line", of: "size" };
    if (length === undefined) throw new Error("the answer has neither a length nor chunks");
    return length === 0 ? { kind: "end" } : { kind: "bytes", left: length, isChunk: false };
  };

  const sizeLine = (text: string): State => {
    if (!/^[\da-f]+$/i.test(text)) throw new Error(`not the size of a chunk: ${JSON.stringify(text)}`);
    const left = Number.parseInt(text, 16);
    return left === 0 ? { kind: "line", of: "trailer" } : { kind: "bytes", left, isChunk: true };
  };

  const afterLine = (of: "head" | "size" | "after-chunk" | "trailer", text: string): State => {
    switch (of) {
      case "head":
        return headLine(text);
      case "size":
        return sizeLine(text);
      case "after-chunk":
        if (text !== "") throw new Error("a chunk is longer than its size");
        return { kind: "line", of: "size" };
      case "trailer":
        return text === "" ? { kind: "end" } : { kind: "line", of };
    }
  };

  return {
    push: (bytes) => {
      let at = 0;
      while (at < bytes.length) {
        switch (state.kind) {
          case "bytes": {
            const taken = Math.min(state.left, bytes.length - at);
            onBody?.(bytes.subarray(at, at + taken));
            at += taken;
            bodyBytes += taken;
            state.left -= taken;
            if (state.left === 0)
              state = state.isChunk ? { kind: "line", of: "after-chunk" } : { kind: "end" };
            break;
          }
          case "line": {
            const feed = bytes.indexOf(10, at);
            line += bytes.toString("latin1", at, feed < 0 ? bytes.length : feed);
            if (line.length > MAX_LINE) throw new Error("a line without an end");
            at = feed < 0 ? bytes.length : feed + 1;
            if (feed < 0) break;
            if (!line.endsWith("\r")) throw new Error("a line that ends without CR");
            const text = line.slice(0, -1);
            line = "";
            state = afterLine(state.of, text);
            break;
          }
          case "end":
            throw new Error("bytes after the end of the answer");
        }
      }
      return state.kind === "end";
    },
    status: () => status,
    bodyBytes: () => bodyBytes,
  };
};
