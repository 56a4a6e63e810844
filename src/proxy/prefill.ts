import { isEngineFailure, RouterError } from "../core/errors.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { RouterMetrics } from "../metrics/router-metrics.ts";
import type { Handover } from "../routing/policy.ts";
import type { Attempt } from "./attempt.ts";
import type { Call } from "./call.ts";
import { createForward, type ForwardDeps } from "./forward.ts";
import { handoverForms, isDivisible, type Prefill, toldBy } from "./handover.ts";
import { headersForClient } from "./headers.ts";
import type { Answer } from "./upstream.ts";
import { readUsage } from "./usage.ts";

/** An answer to a prefill is one token and where the rest is; block ids of a very long prompt take a tenth of this. */
const MAX_ANSWER = 256 * 1024;

/** Takes every answer whole, so that one that breaks off counts as none. */
const takingWhole =
  (fetch: EngineFetch): EngineFetch =>
  async (url, request) => {
    const { status, headers, body } = await fetch(url, request);
    if (!body) return new Response(null, { status, headers });
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of body) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_ANSWER)
        throw new RouterError("upstream_invalid", "The engine's answer to a prefill is too long.");
    }
    const fields = new Headers(headers);
    fields.delete("transfer-encoding");
    fields.set("content-length", String(length));
    return new Response(length === 0 ? null : Buffer.concat(chunks), { status, headers: fields });
  };

/** A prefill is no request of a client: what counts those does not count it. */
const ofLeg = (metrics: RouterMetrics): RouterMetrics => ({
  ...metrics,
  arrived: () => {},
  answered: () => {},
});

/** Creates the leg that goes before an answer: a request to an engine like others, with their failover and deadlines. */
export const createPrefill = (handover: Handover, deps: ForwardDeps): Prefill => {
  const { metrics, clock } = deps;
  const form = handoverForms[handover];

  /** What became of each response: which engine gave it and what it said. */
  const answers = new WeakMap<Response, { readonly url: string; readonly said: Uint8Array<ArrayBuffer> }>();

  const take = (attempt: Attempt, { status, headers, first, rest }: Answer): Response => {
    if (rest) {
      rest.cancel().catch(() => {});
      attempt.brokeOff("failed");
      throw new RouterError("upstream_invalid", "The engine's answer to a prefill is a stream.");
    }
    const usage = readUsage(first);
    if (usage) attempt.ticket.tokens(usage);
    attempt.answered(status);
    const told = toldBy(form, "prefill", { status, headers, first });
    const init = { status, headers: headersForClient(told.headers, attempt.call.id) };
    const response = new Response(told.first ?? null, init);
    answers.set(response, { url: attempt.endpoint.url, said: first ?? new Uint8Array() });
    return response;
  };
  const ask = createForward({
    ...deps,
    fetch: takingWhole(deps.fetch),
    metrics: ofLeg(metrics),
    requestHeaders: (received) => {
      const headers = deps.requestHeaders(received);
      // The router reads the answer itself.
      headers.set("accept-encoding", "identity");
      return headers;
    },
    prefill: undefined,
    respond: take,
  });

  const asPrefill = (call: Call): Call => ({
    ...call,
    // It names the engine that answers.
    engineId: undefined,
    isReplaySafe: true,
    field: (name) => (name === "stream" ? false : call.field(name)),
    messageFor: (model) => {
      const { path, body } = call.messageFor(model);
      return { path, body: body && form.prefillBody(body, call.field) };
    },
  });

  return {
    isPossible: isDivisible,
    ask: async (call, client, model) => {
      const since = clock.monotonic();
      const count = (outcome: "done" | "refused" | "failed") =>
        metrics.prefilled(model, outcome, clock.monotonic() - since);
      const response = await ask(asPrefill(call), client).catch((error: unknown) => {
        if (isEngineFailure(error)) count("failed");
        throw error;
      });
      const { status } = response;
      count(status < 400 ? "done" : status < 500 ? "refused" : "failed");
      const answer = answers.get(response);
      if (status >= 400 || !answer) return response;
      const withTransfer = form.decodeBody(answer.said, answer.url);
      return {
        at: clock.monotonic(),
        bodyOf: (body) => body && withTransfer(body),
        told: (said) => toldBy(form, "decode", said),
        isReusable: form.isReusable,
      };
    },
  };
};
