import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { SampleTrace } from "../core/request-trace.ts";
import type { Peer } from "../proxy/client.ts";
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
  /** Absent where no request is traced. */
  readonly sampleTrace?: SampleTrace | undefined;
}

/** Where requests come in: takes the time, gives the id, passes the gate, and makes answers of errors. */
export const createEntrance = ({ sampleTrace, ...deps }: EntranceDeps): Entrance => {
  const { app, clients, clock, log, isClosing } = deps;
  type Arrival = Pick<Peer, "arrivedAt" | "trace"> & { readonly requestId: string };

  const answer = async (request: Request, server: IdleLimiter, arrival: Arrival): Promise<Response> => {
    const { requestId } = arrival;
    try {
      admit(request);
      const client = clients.of(request, server, arrival);
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
    const arrivedAt = clock.monotonic();
    const trace = sampleTrace?.(arrivedAt);
    const requestId = requestIdOf(request.headers);
    const response = await answer(request, server, { arrivedAt, trace, requestId });
    trace?.answered(response.status);
    if (isClosing()) response.headers.set("connection", "close");
    return response;
  };
};
