import type { Keyring } from "../access/keyring.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf, RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { SampleTrace } from "../core/request-trace.ts";
import type { Peer } from "../proxy/client.ts";
import type { RouterMetrics } from "../metrics/router-metrics.ts";
import { requestIdOf } from "../proxy/request-id.ts";
import type { App } from "./app.ts";
import type { Clients, Connections } from "./client.ts";
import { asRouterError, errorResponse } from "./error-response.ts";
import { admit, probeWithoutHost } from "./gate.ts";

/** Answers any request; never rejects. */
export type Entrance = (request: Request, server: Connections) => Promise<Response>;

/** What a way in is made of. */
export interface EntranceDeps {
  readonly app: App;
  readonly clients: Clients;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Log;
  /** Whether clients have to connect anew after their answer. */
  readonly isClosing: () => boolean;
  /** Absent where no request is traced. */
  readonly sampleTrace?: SampleTrace | undefined;
  /** Absent where everybody may ask. */
  readonly keyring?: Pick<Keyring, "nameOf"> | undefined;
  readonly metrics: Pick<RouterMetrics, "authorized" | "rejected">;
}

/** Probes of Kubernetes and scrapers have no keys. What is not written like this is another path, and needs one. */
const OPEN: ReadonlySet<string> = new Set(["/health", "/livez", "/readyz", "/metrics"]);

const needsKey = (url: string): boolean => !OPEN.has(new URL(url).pathname);

/** Where requests come in: takes the time, gives the id, passes the gate, and makes answers of errors. */
export const createEntrance = ({ sampleTrace, keyring, metrics, ...deps }: EntranceDeps): Entrance => {
  const { app, clients, clock, log, isClosing } = deps;
  type Arrival = Pick<Peer, "arrivedAt" | "trace"> & { readonly requestId: string };

  const authorize = ({ nameOf }: Pick<Keyring, "nameOf">, headers: Headers): void => {
    const name = nameOf(headers);
    if (name === undefined) {
      metrics.rejected("invalid_api_key");
      throw new RouterError(
        "invalid_api_key",
        "A valid API key is needed, as 'Authorization: Bearer <key>' or 'x-api-key: <key>'.",
      );
    }
    metrics.authorized(name);
  };

  const answer = (request: Request, server: Connections, arrival: Arrival): Response | Promise<Response> => {
    const probe = probeWithoutHost(request);
    if (!probe) {
      admit(request);
      if (keyring && needsKey(request.url)) authorize(keyring, request.headers);
    }
    const client = clients.of(request, server, arrival);
    return app.fetch(probe ?? request, { requestId: arrival.requestId, client });
  };

  const refuse = ({ signal }: Request, requestId: string, error: unknown): Response => {
    const failure = signal.aborted ? reasonOf(signal, error) : asRouterError(error, requestId, log);
    log.debug(`Request ${requestId} ended with ${failure.code}: ${failure.message}`);
    return errorResponse(failure, requestId);
  };

  return async (request, server) => {
    const arrivedAt = clock.monotonic();
    const trace = sampleTrace?.(arrivedAt);
    const requestId = requestIdOf(request.headers);
    let response: Response;
    try {
      response = await answer(request, server, { arrivedAt, trace, requestId });
    } catch (error) {
      response = refuse(request, requestId, error);
    }
    trace?.answered(response.status);
    if (isClosing()) response.headers.set("connection", "close");
    return response;
  };
};
