/** A request exactly as it came over the wire. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /** The target up to its query. */
  readonly path: string;
  readonly version: string;
  /** Names and values in the order and case in which they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** The first value of a header, whatever the case of its name. */
export const headerOf = (request: HttpRequest, name: string): string | undefined => {
  for (const [given, value] of request.headers) {
    if (given.length === name.length && given.toLowerCase() === name) return value;
  }
  return undefined;
};

/** Thrown for bytes that are not HTTP/1.x; the message says what is wrong. */
export class MalformedRequest extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MalformedRequest";
  }
}

/** Cuts the bytes of one connection into requests. */
export interface RequestParser {
  /** Takes the next bytes; returns the requests that they complete, throws `MalformedRequest`. */
  readonly push: (bytes: Buffer) => readonly HttpRequest[];
  /** True while the client waits for `100 Continue` before it sends its body; reading it clears it. */
  readonly takeExpectation: () => boolean;
}

const maxHeadBytes = 64 * 1024;
const headEnd = "\r\n\r\n";
const lineEnd = "\r\n";

type Head = Omit<HttpRequest, "body">;

const parseHead = (text: string): Head => {
  const lines = text.split(lineEnd);
  const [method, target, version, ...rest] = (lines[0] ?? "").split(" ");
  if (!method || !target || !version?.startsWith("HTTP/1.") || rest.length > 0) {
    throw new MalformedRequest("bad request line");
  }
  const headers: (readonly [string, string])[] = [];
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    const colon = line.indexOf(":");
    if (colon <= 0) throw new MalformedRequest("bad header line");
    headers.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
  }
  const query = target.indexOf("?");
  return { method, target, path: query < 0 ? target : target.slice(0, query), version, headers };
};

/** Takes one chunked body from the front of `bytes`; `undefined` while it is incomplete. */
const takeChunked = (bytes: Buffer): { body: Buffer; used: number } | undefined => {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const sizeEnd = bytes.indexOf(lineEnd, at);
    if (sizeEnd < 0) return undefined;
    const size = /^([0-9a-f]{1,12})\s*(?:;.*)?$/i.exec(bytes.toString("latin1", at, sizeEnd))?.[1];
    if (size === undefined) throw new MalformedRequest("bad chunk size");
    const start = sizeEnd + lineEnd.length;
    const end = start + Number.parseInt(size, 16);
    if (end === start) {
      // Trailers are read over: nothing here needs them.
      if (bytes.indexOf(lineEnd, start) === start) return { body: Buffer.concat(chunks), used: start + 2 };
      const trailersEnd = bytes.indexOf(headEnd, start);
      return trailersEnd < 0
        ? undefined
        : { body: Buffer.concat(chunks), used: trailersEnd + headEnd.length };
    }
    if (bytes.length < end + lineEnd.length) return undefined;
    if (bytes.indexOf(lineEnd, end) !== end) throw new MalformedRequest("bad chunk end");
    chunks.push(bytes.subarray(start, end));
    at = end + lineEnd.length;
  }
};

/** A parser at the start of a connection. */
export const createRequestParser = (): RequestParser => {
  let pieces: Buffer[] = [];
  let held = 0;
  /** Bytes without which looking again is pointless. */
  let wanted = 1;
  let head: Head | undefined;
  let bodyLength: number | "chunked" = 0;
  let expects = false;

  const beginBody = (parsed: Head): void => {
    head = parsed;
    bodyLength = 0;
    for (const [name, value] of parsed.headers) {
      const lower = name.toLowerCase();
      if (lower === "content-length") {
        if (!/^\d{1,15}$/.test(value)) throw new MalformedRequest("bad content-length");
        bodyLength = Number(value);
      } else if (lower === "transfer-encoding") {
        if (value.toLowerCase() !== "chunked") throw new MalformedRequest("bad transfer-encoding");
        bodyLength = "chunked";
        break;
      } else if (lower === "expect" && value.toLowerCase() === "100-continue") {
        expects = true;
      }
    }
  };

  /** The body at the front of `bytes`, once it is whole. */
  const takeBody = (bytes: Buffer): { body: Buffer; used: number } | undefined => {
    if (bodyLength === "chunked") return takeChunked(bytes);
    wanted = bodyLength;
    return bytes.length < bodyLength ? undefined : { body: bytes.subarray(0, bodyLength), used: bodyLength };
  };

  return {
    push: (bytes) => {
      pieces.push(bytes);
      held += bytes.length;
      const done: HttpRequest[] = [];
      if (held < wanted) return done;
      let rest = pieces.length === 1 ? bytes : Buffer.concat(pieces);
      for (;;) {
        wanted = rest.length + 1;
        if (!head) {
          const end = rest.indexOf(headEnd);
          if (end > maxHeadBytes || (end < 0 && rest.length > maxHeadBytes)) {
            throw new MalformedRequest("request head too large");
          }
          if (end < 0) break;
          beginBody(parseHead(rest.toString("latin1", 0, end)));
          rest = rest.subarray(end + headEnd.length);
          wanted = rest.length + 1;
        }
        const taken = head && takeBody(rest);
        if (!head || !taken) break;
        done.push({ ...head, body: taken.body });
        head = undefined;
        expects = false;
        rest = rest.subarray(taken.used);
      }
      pieces = rest.length === 0 ? [] : [rest];
      held = rest.length;
      return done;
    },

    takeExpectation: () => {
      const expected = expects;
      expects = false;
      return expected;
    },
  };
};
