import { RouterError } from "../core/errors.ts";

const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/** Fields of which two lines would let two readers of the request disagree; the runtime joins them with a comma. */
const SINGLE = ["authorization", "content-type"] as const;

/** Methods that any route knows. */
const METHODS: ReadonlySet<string> = new Set(["GET", "POST", "HEAD", "OPTIONS"]);

/** What a load balancer may ask that speaks HTTP/1.0, in which a Host is not needed. */
const PROBES: ReadonlySet<string> = new Set(["/health", "/livez", "/readyz"]);

/** A probe without a Host as a request that has one; `undefined` for every other request, with a Host or without. */
export const probeWithoutHost = ({
  headers,
  method,
  url,
}: Pick<Request, "headers" | "method" | "url">): Request | undefined =>
  PROBES.has(url) && headers.get("host") === null && (method === "GET" || method === "HEAD")
    ? new Request(`http://localhost${url}`, { method })
    : undefined;

/**
 * What must hold before a request is routed at all; throws otherwise. A Host that is no host would make the
 * runtime's URL relative, so that the path is read at the wrong slash, or leave `/../` in its path; it is refused
 * here (RFC 9112 section 3.2).
 */
export const admit = ({ headers, method, url }: Pick<Request, "headers" | "method" | "url">): void => {
  const host = headers.get("host");
  if (host === null || !HOST.test(host) || !url.startsWith("http") || !URL.canParse(url)) {
    throw new RouterError("invalid_request", "Invalid request: the Host header is missing or malformed.");
  }
  for (const field of SINGLE) {
    if (headers.get(field)?.includes(",") === true && isRepeated(headers, field)) {
      throw new RouterError("invalid_request", `Invalid request: more than one ${field} header.`);
    }
  }
  if (!METHODS.has(method)) throw new RouterError("method_not_allowed", "Method Not Allowed");
};

// A comma inside a quoted string, such as a multipart boundary or a digest credential, is one line's own.
const isRepeated = (headers: Headers, field: string): boolean =>
  (headers.get(field) ?? "").replace(/"(?:[^"\\]|\\.)*"/g, "").includes(",");
