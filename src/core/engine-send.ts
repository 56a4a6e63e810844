import type { Answer } from "./answer.ts";
import type { Ending } from "./ending.ts";
import type { EngineRequest } from "./engine-fetch.ts";
import type { Fields } from "./fields.ts";

/** A request as it is sent: as `EngineRequest`. */
export type SentRequest = Omit<EngineRequest, "headers" | "signal"> & {
  readonly headers: Fields;
  readonly signal: Ending;
};

/**
 * Sends one request to an engine; resolves when the head of its answer and the first bytes of the body are there, or
 * the whole body where it is short. `onHead` is called when the head has come. Rejects with an error whose `code`
 * tells a connection that could not be made or was lost, or with the reason of the request's signal.
 */
export type EngineSend = (url: string, request: SentRequest, onHead?: () => void) => Promise<Answer>;
