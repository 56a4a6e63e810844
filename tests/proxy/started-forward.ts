import { aborted } from "../../src/core/aborted.ts";
import { type DeadlineLimits, noLimits } from "../../src/core/deadline-limits.ts";
import type { EngineReach } from "../../src/core/engine-reach.ts";
import type { EngineFetch } from "../../src/core/engine-fetch.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { RouterError } from "../../src/core/errors.ts";
import { createFleet } from "../../src/fleet/fleet.ts";
import type { Excluded } from "../../src/health/engine-health.ts";
import { createClients } from "../../src/http/client.ts";
import { readCall } from "../../src/proxy/call.ts";
import { dueAt } from "../../src/proxy/deadlines.ts";
import { createRetryBudget } from "../../src/proxy/retry-budget.ts";
import { createRequestHeaders } from "../../src/proxy/request-headers.ts";
import { createFetchSend } from "../../src/proxy/fetch-send.ts";
import { createForward } from "../../src/proxy/forward.ts";
import type { RoutingPolicy } from "../../src/routing/policy.ts";
import { roundRobin } from "../../src/routing/round-robin.ts";
import { createRouterMetrics } from "../../src/metrics/router-metrics.ts";
import { createRequestLedger } from "../../src/stats/request-ledger.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock, settle } from "../support/clock.ts";
import { sendRaw } from "../support/raw-client.ts";

export const codeError = (code: string): Error => Object.assign(new TypeError(`engine ${code}`), { code });

/** A body in these chunks that then ends, breaks, or goes on for ever: until it is aborted. */
export const stream = (
  chunks: readonly string[],
  end: "ends" | "breaks" | "hangs" = "ends",
  signal = new AbortController().signal,
): ReadableStream<Uint8Array> => {
  const left = [...chunks];
  return new ReadableStream({
    pull: async (controller) => {
      const chunk = left.shift();
      if (chunk !== undefined) controller.enqueue(Buffer.from(chunk));
      else if (end === "ends") controller.close();
      else if (end === "breaks") controller.error(codeError("ECONNRESET"));
      else await aborted(signal).then(() => controller.error(signal.reason));
    },
  });
};

export const events =
  (chunks: readonly string[], end?: "ends" | "breaks" | "hangs"): Behaviour =>
  async (signal) =>
    new Response(stream(chunks, end, signal), { headers: { "content-type": "text/event-stream" } });
export const whole = async (): Promise<Response> =>
  new Response("{}", { headers: { "content-length": "2" } });
export const failing = (code: string) => async (): Promise<Response> => Promise.reject(codeError(code));

/** What an engine does with each request in turn; the last goes for all that follow. */
export type Behaviour = (signal: AbortSignal) => Promise<Response>;

interface Given {
  /** What each engine does; they are e0, e1, ... and serve the model `m`. */
  readonly engines: readonly Behaviour[];
  readonly maxAttempts?: number;
  readonly path?: string;
  /** No limits but those given. */
  readonly deadlines?: Partial<DeadlineLimits>;
  readonly reach?: EngineReach;
  /** Round robin unless it is given. */
  readonly policy?: RoutingPolicy;
  /** What does not pass its checks, as it is when asked for. */
  readonly health?: { readonly excluded: Excluded };
  /** Requests that wait on each engine as it says itself. */
  readonly waiting?: readonly (number | undefined)[];
}

/** A forward over engines that reach no network. */
export const start = ({ engines, maxAttempts = 1, policy = roundRobin.create(), ...given }: Given) => {
  const { path = "/v1/completions", waiting = [] } = given;
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  const endpoints: Endpoint[] = engines.map((_, index) => ({
    id: `e${index}`,
    url: `http://e${index}`,
    models: ["m"],
    addedAt: 0,
  }));
  const requests = createRequestLedger({ windowMs: 60_000 }, { clock });
  const fleet = createFleet(
    { endpoints, hasSeen: () => true, [Symbol.asyncDispose]: async () => {} },
    {
      ...requests,
      engine: (id) => {
        const length = waiting[Number(id.slice(1))];
        return length === undefined ? undefined : { waiting: length };
      },
    },
    undefined,
    given.health && { health: given.health },
  );
  const sent: string[] = [];
  const fetch: EngineFetch = async (url, { signal }) => {
    const host = url.split("/")[2] ?? "";
    sent.push(host);
    const answer = (engines[Number(host.slice(1))] ?? whole)(signal);
    const { promise: never, reject } = Promise.withResolvers<never>();
    void aborted(signal).then(() => reject(signal.reason));
    return Promise.race([answer, never]);
  };
  const limits = { ...noLimits, ...given.deadlines };
  const metrics = createRouterMetrics({ version: "0", runtime: "test" }, { clock });
  const forward = createForward({
    fleet,
    policy,
    requests,
    metrics,
    answerFields: { endpoint: false, reason: false, serverTiming: false },
    aliases: new Map(),
    countsStreams: true,
    maxAttempts,
    budget: createRetryBudget(),
    requestHeaders: createRequestHeaders({ isTrusted: () => false }),
    limits,
    send: createFetchSend(fetch),
    reach: given.reach ?? (async () => true),
    clock,
    random: () => 0,
    log,
  });

  let silences = 0;
  const leaving = new AbortController();
  const peer = createClients(30).of(
    new Request("http://router/", { signal: leaving.signal }),
    { timeout: (_request, seconds) => (silences += seconds === 0 ? 1 : -1) },
    { arrivedAt: 0 },
  );
  const send = async (isReplaySafe = true, fields = {}, headers = {}): Promise<Response | RouterError> => {
    const body = JSON.stringify({ model: "m", ...fields });
    const request = new Request(`http://router${path}`, { method: "POST", body, headers });
    const arrival = { id: "r-1", request, path, maxBodyBytes: 1000 };
    const call = await readCall({ ...arrival, isReplaySafe: () => isReplaySafe });
    const ends = { over: () => {}, dueAt: dueAt(limits.requestMs, peer, call) };
    return forward(call, Object.assign(peer, ends)).catch((error: unknown) => {
      if (error instanceof RouterError) return error;
      throw error;
    });
  };
  /** What comes of it while time goes on. */
  const inTime = async <Value>(pending: Promise<Value>): Promise<Value> => {
    for (await settle(); Bun.peek.status(pending) === "pending"; await settle()) clock.advance(250);
    return pending;
  };
  const load = () => ({
    inPrefill: endpoints.reduce((sum, { id }) => sum + requests.of(id).inPrefill, 0),
    inDecode: endpoints.reduce((sum, { id }) => sum + requests.of(id).inDecode, 0),
    silences,
  });
  /** The lines of a metric and their values. */
  const counted = (name: string): string[] =>
    metrics
      .text(
        endpoints.map(({ id, url }) => ({ url, state: "serving" as const, requests: requests.of(id) })),
        undefined,
      )
      .split("\n")
      .filter((line) => line.startsWith(`${name}{`));
  return { clock, lines, sent, leaving, send, inTime, load, counted };
};

export const IDLE = { inPrefill: 0, inDecode: 0, silences: 0 };

export const bodyOf = (answer: Response | RouterError): ReadableStream<Uint8Array> => {
  if (answer instanceof Response && answer.body) return answer.body;
  throw new Error("expected a body", { cause: answer });
};

/** A server that gives this answer, and a client that has asked for it. */
export const putOnWire = async (answer: Response | RouterError) => {
  if (!(answer instanceof Response)) throw answer;
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, development: false, fetch: () => answer });
  const client = sendRaw(server.port ?? 0, "GET / HTTP/1.1\r\nHost: router\r\n\r\n");
  return { client, [Symbol.asyncDispose]: async () => server.stop(true) };
};
