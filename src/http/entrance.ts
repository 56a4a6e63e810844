import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { requestIdOf } from "../proxy/request-id.ts";
import type { Admitted } from "./app.ts";
import type { Clients, IdleLimiter } from "./client.ts";
import { asRouterError, errorResponse } from "./error-response.ts";
import { admit } from "./gate.ts";

/** Answers any request; never rejects. */
export type Entrance = (request: Request, server: IdleLimiter) => Promise<Response>;

interface EntranceDeps {
  readonly app: { readonly fetch: (request: Request, admitted: Admitted) => Response | Promise<Response> };
  readonly clients: Clients;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Log;
  /** Whether clients have to connect anew after their answer. */
  readonly isClosing: () => boolean;
}

/** Where requests come in: takes the time, gives the id, passes the gate, and makes answers of errors. */
export const createEntrance = ({ app, clients, clock, log, isClosing }: EntranceDeps): Entrance => {
  const answer = async (request: Request, server: IdleLimiter, requestId: string): Promise<Response> => {
    const arrivedAt = clock.monotonic();
    try {
      admit(request);
      const client = clients.of(request, server, arrivedAt);
      const response = await app.fetch(request, { requestId, client });
      if (!response.headers.has("x-request-id")) response.headers.set("x-request-id", requestId);
      return response;
    } catch (error) {
      const failure = request.signal.aborted
        ? reasonOf(request.signal, error)
        : asRouterError(error, requestId, log);
      log.debug(`Request ${requestId} ended with ${failure.code}: ${failure.message}`);
      return errorResponse(failure, requestId);
    }
  };

  return async (request, server) => {
    const response = await answer(request, server, requestIdOf(request.headers));
    if (isClosing()) response.headers.set("connection", "close");
    return response;
  };
};
