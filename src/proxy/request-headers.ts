import { headersForEngine } from "./headers.ts";

/** What the router presents to engines in the place of what clients present to it. */
export interface EngineCredentials {
  /** Absent where engines are presented nothing. */
  readonly apiKey?: string | undefined;
}

interface RequestHeaderOptions {
  /** Absent where the clients' own credentials are passed on. */
  readonly credentials?: EngineCredentials | undefined;
  /** Whether what a peer says of those before it is to be believed. */
  readonly isTrusted: (address: string) => boolean;
}

/** A request as it came. */
interface Received {
  readonly id: string;
  readonly headers: Headers;
  /** Address of the peer; absent where it has left already. */
  readonly address: string | undefined;
}

/** Where a request comes from, as only a trusted proxy may tell it. */
const ORIGIN: ReadonlySet<string> = new Set([
  "forwarded",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-real-ip",
]);

/** Fields that would be the router's own. */
const INTERNAL = "x-vllm-router-";

const isInternal = (field: string): boolean => field.startsWith(INTERNAL);
const isTold = (field: string): boolean => ORIGIN.has(field) || isInternal(field);

/** Creates the head of requests to engines: what the client sent from end to end, and what only the router knows. */
export const createRequestHeaders =
  ({ credentials, isTrusted }: RequestHeaderOptions) =>
  ({ id, headers, address }: Received): Record<string, string> => {
    const isKnown = address !== undefined && isTrusted(address);
    const kept = headersForEngine(headers, id, isKnown ? isInternal : isTold);
    if (credentials) {
      delete kept["x-api-key"];
      delete kept["authorization"];
      if (credentials.apiKey !== undefined) kept["authorization"] = `Bearer ${credentials.apiKey}`;
    }
    if (isKnown) {
      const before = kept["x-forwarded-for"];
      kept["x-forwarded-for"] = before === undefined ? address : `${before}, ${address}`;
      kept["x-forwarded-proto"] ??= "http";
      return kept;
    }
    kept["x-forwarded-proto"] = "http";
    if (address === undefined) delete kept["x-forwarded-for"];
    else kept["x-forwarded-for"] = address;
    return kept;
  };

/** Makes the head of a request to an engine from what came. */
export type RequestHeaders = ReturnType<typeof createRequestHeaders>;
