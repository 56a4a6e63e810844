import type { Clock } from "../core/clock.ts";
import type { EngineLoop } from "./engine-loop.ts";
import type { EngineStats } from "./engine-stats.ts";
import type { HttpRequest } from "./http-message.ts";
import type { ModelRegistry } from "./models.ts";
import type { MockEngineConfig } from "./options.ts";
import type { Reply } from "./reply.ts";
import type { Transfers } from "./transfers.ts";

/** What the routes of one engine share. */
export interface EngineParts {
  readonly config: MockEngineConfig;
  readonly clock: Clock;
  readonly models: ModelRegistry;
  readonly loop: EngineLoop;
  readonly stats: EngineStats;
  readonly transfers: Transfers;
  /** 32 hex digits that this engine gives once. */
  readonly newId: () => string;
}

/** Answers one request, now or later; throws or rejects with an `ApiError` what it refuses. */
export type Route = (request: HttpRequest, reply: Reply) => void | Promise<void>;

/** Routes by method and path, such as `POST /v1/completions`. */
export type Routes = Readonly<Record<`${"GET" | "POST"} /${string}`, Route>>;
