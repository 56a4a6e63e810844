import type { SentRequest } from "../core/engine-send.ts";

/** A target that the URL standard leaves as it is; the others are brought into its form. */
const PLAIN_TARGET = /^\/[\w/?=&%,:;@!$'()*+~-]*$/;
/** What no value may hold; others are passed on byte by byte. */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;

/** Where requests to an engine go. */
export interface Origin {
  /** For the Host field. */
  readonly host: string;
  /** Without brackets. */
  readonly hostname: string;
  readonly port: number;
}

/** The origin of a URL of the scheme http. */
export const originOf = (url: string): Origin => {
  const { host, hostname, port } = new URL(url);
  return { host, hostname: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 80 : Number(port) };
};

const targetOf = (url: string, from: number): string => {
  const target = url.slice(from);
  if (PLAIN_TARGET.test(target)) return target;
  const { pathname, search } = new URL(url);
  return pathname + search;
};

/**
 * The head of a request, one character for each byte; `from` is where the target begins in the URL. Throws a TypeError
 * for a field that could not be one.
 */
export const requestHead = (
  { host }: Origin,
  url: string,
  from: number,
  { method, headers, body }: SentRequest,
): string => {
  let head = `${method} ${targetOf(url, from)} HTTP/1.1\r\nHost: ${host}\r\n`;
  // Without a body a length is only for methods that would have one (RFC 9110 section 8.6).
  if (body) head += `Content-Length: ${body.length}\r\n`;
  else if (method === "POST") head += "Content-Length: 0\r\n";
  for (const name in headers) {
    const value = headers[name] ?? "";
    if (FORBIDDEN.test(value)) throw new TypeError(`The field '${name}' has an invalid value.`);
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
};
