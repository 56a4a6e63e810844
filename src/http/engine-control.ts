import * as v from "valibot";
import type { Clock } from "../core/clock.ts";
import { signalOf } from "../core/ending.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { readBody } from "../proxy/body.ts";
import type { Peer } from "../proxy/client.ts";
import { asHeaders, endToEndOf, headersForClient } from "../proxy/headers.ts";
import { controlLine } from "../proxy/routing-log.ts";
import { isRelayable, notRelayable, upstreamError } from "../proxy/upstream.ts";

interface ControlDeps {
  readonly fleet: Fleet;
  readonly fetch: EngineFetch;
  readonly clock: Clock;
  readonly log: Log;
  /** Sent instead of the client's own Authorization, which stays here. */
  readonly engineApiKey?: string | undefined;
  /** Tells other routers that an engine sleeps, or no longer does; never rejects. */
  readonly markSleeping?: ((endpointId: string, isAsleep: boolean) => Promise<void>) | undefined;
}

/** One control call that a client makes of a named engine. */
export interface ControlCall {
  readonly id: string;
  readonly action: "sleep" | "wake_up" | "is_sleeping";
  readonly request: Request;
  readonly client: Peer;
}

interface EngineAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ArrayBuffer;
}

/** Control calls carry a few parameters at most. */
const MAX_BODY_BYTES = 64 * 1024;

const sleepState = v.object({ is_sleeping: v.boolean() });

/** `POST /sleep`, `POST /wake_up` and `GET /is_sleeping` of one engine, named by `?id=`. */
export const createEngineControl = ({
  fleet,
  fetch,
  clock,
  log,
  engineApiKey,
  markSleeping,
}: ControlDeps) => {
  const engineOf = (query: URLSearchParams): Endpoint => {
    const id = query.get("id");
    if (!id) throw new RouterError("invalid_request", "Invalid request: missing target Engine Id.");
    const endpoint = fleet.find(id);
    if (!endpoint) throw new RouterError("invalid_request", `Engine with Id ${id} not found.`);
    return endpoint;
  };

  const ask = async (url: string, { id, request, client }: ControlCall): Promise<EngineAnswer> => {
    const headers = new Headers({ "x-request-id": id, "user-agent": "vllm-router" });
    const contentType = request.headers.get("content-type");
    if (contentType !== null) headers.set("content-type", contentType);
    if (engineApiKey !== undefined) headers.set("authorization", `Bearer ${engineApiKey}`);
    const { method } = request;
    const { signal } = client;
    const bytes = await readBody(request, MAX_BODY_BYTES);
    const body = bytes.length > 0 ? bytes : undefined;
    // An engine that moves its weights is silent for longer than a connection may be.
    client.allowSilence();
    try {
      const response = await fetch(url, {
        method,
        headers,
        body,
        signal: signalOf(signal),
        fresh: true,
      });
      if (!isRelayable(response)) {
        await response.body?.cancel();
        throw notRelayable(response);
      }
      return { status: response.status, headers: response.headers, body: await response.arrayBuffer() };
    } catch (error) {
      throw upstreamError(error, signal);
    } finally {
      client.limitSilence();
    }
  };

  return async (call: ControlCall): Promise<Response> => {
    const { id: requestId, action, request, client } = call;
    const query = new URL(request.url).searchParams;
    const endpoint = engineOf(query);
    query.delete("id");
    const search = query.size > 0 ? `?${query.toString()}` : "";
    const now = { epochMs: clock.now(), elapsedMs: clock.monotonic() - client.arrivedAt };
    log.info(controlLine({ requestId, url: endpoint.url, ...now }));

    const answer = await ask(`${endpoint.url}/${action}${search}`, call);
    const { status, body } = answer;
    const said = endToEndOf(answer.headers);
    const headers = asHeaders(headersForClient(said.headers, requestId), said.cookies);
    if (status >= 400) return new Response(body, { status, headers });
    if (action === "is_sleeping") {
      const { success, output } = v.safeParse(
        v.pipe(v.string(), v.parseJson(), sleepState),
        Buffer.from(body).toString(),
      );
      if (success) fleet.setSleeping(endpoint.id, output.is_sleeping);
      return new Response(body, { status, headers });
    }
    const isAsleep = action === "sleep";
    fleet.setSleeping(endpoint.id, isAsleep);
    await markSleeping?.(endpoint.id, isAsleep);
    return Response.json({ status: "success" }, { status, headers: { "x-request-id": requestId } });
  };
};
