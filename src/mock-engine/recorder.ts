import type { HttpRequest } from "./http-message.ts";

/** A request as the engine received it. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /** Names and values in the order and case in which they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly bodyBytes: number;
  /** Lower-case hex. */
  readonly bodySha256: string;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
}

/** Remembers the latest requests. */
export interface Recorder {
  readonly add: (request: HttpRequest, receivedAt: number) => void;
  /** Requests since the start. */
  readonly total: () => number;
  /** The latest ones, oldest first. */
  readonly latest: () => readonly ReceivedRequest[];
}

/** A recorder that keeps `limit` requests. */
export const createRecorder = (limit: number): Recorder => {
  const kept: ReceivedRequest[] = [];
  let total = 0;
  return {
    add: (request, receivedAt) => {
      kept[total % limit] = {
        method: request.method,
        target: request.target,
        headers: request.headers,
        bodyBytes: request.body.length,
        bodySha256: Bun.SHA256.hash(request.body, "hex"),
        receivedAt,
      };
      total += 1;
    },
    total: () => total,
    latest: () => {
      const first = total > limit ? total % limit : 0;
      return [...kept.slice(first), ...kept.slice(0, first)];
    },
  };
};
