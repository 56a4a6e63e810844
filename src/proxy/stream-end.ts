import { statusOfError } from "./opening-error.ts";

/** What of a stream's last bytes says that it is complete, by route; of other streams nobody knows. */
const COMPLETE: Readonly<Record<string, RegExp>> = {
  "/v1/chat/completions": /^data: ?\[DONE\]|"finish_reason"\s*:\s*"/m,
  "/v1/completions": /^data: ?\[DONE\]|"finish_reason"\s*:\s*"/m,
  "/v1/messages": /"type"\s*:\s*"message_stop"/,
  "/v1/responses": /^data: ?\[DONE\]|"type"\s*:\s*"response\.(?:completed|failed|incomplete|cancelled)"/m,
};

const ERROR_EVENT = /^data: ?(\{\s*(?:"error"\s*:\s*[{"]|"type"\s*:\s*"error"|"object"\s*:\s*"error").*)$/gm;

/** How a stream that ended without a fault of its connection ended by what it said. */
export interface StreamEnd {
  /** Whether its last events say that no more would come. */
  readonly isComplete: boolean;
  /** The status that an error stands for that is among its last events; absent where there is none. */
  readonly errorStatus?: number | undefined;
}

const statusOfEvent = (data: string): number => {
  try {
    return statusOfError(JSON.parse(data));
  } catch {
    return 500;
  }
};

/** Reads the end of a stream on a route from its last bytes. */
export const readStreamEnd = (path: string, tail: string): StreamEnd => {
  const error = [...tail.matchAll(ERROR_EVENT)].at(-1)?.[1];
  if (error !== undefined) return { isComplete: true, errorStatus: statusOfEvent(error) };
  return { isComplete: COMPLETE[path]?.test(tail) ?? true };
};
