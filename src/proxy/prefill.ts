import type { Answer } from "../core/answer.ts";
import { isEngineFailure, RouterError } from "../core/errors.ts";
import type { EngineSend } from "../core/engine-send.ts";
import type { RouterMetrics } from "../metrics/router-metrics.ts";
import type { Handover } from "../routing/policy.ts";
import type { Attempt } from "./attempt.ts";
import type { Call } from "./call.ts";
import { createForward, type ForwardDeps } from "./forward.ts";
import { handoverForms, isDivisible, type Prefill, toldBy } from "./handover.ts";
import { asHeaders, headersForClient } from "./headers.ts";
import { readUsage } from "./usage.ts";

/** An answer to a prefill is one token and where the rest is; block ids of a very long prompt take a tenth of this. */
const MAX_ANSWER = 256 * 1024;

/** Takes every answer whole, so that one that breaks off counts as none. */
const takingWhole =
  (send: EngineSend): EngineSend =>
  async (url, request, onHead) => {
    const answer = await send(url, request, onHead);
    const { first, rest } = answer;
    if (!rest) return answer;
    const pieces = first ? [first] : [];
    for (let length = first?.length ?? 0; length <= MAX_ANSWER;) {
      const { done, value } = await rest.read();
      if (done) return { ...answer, first: Buffer.concat(pieces), rest: undefined };
      length += value.length;
      pieces.push(value);
    }
    rest.cancel();
    throw new RouterError("upstream_invalid", "The engine's answer to a prefill is too long.");
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

  const take = (attempt: Attempt, answer: Answer): Response => {
    const { status, first, rest } = answer;
    if (rest) {
      rest.cancel();
      attempt.brokeOff("failed");
      throw new RouterError("upstream_invalid", "The engine's answer to a prefill is a stream.");
    }
    const usage = readUsage(first);
    if (usage) attempt.ticket.tokens(usage);
    attempt.answered(status);
    const told = toldBy(form, "prefill", answer);
    const headers = asHeaders(headersForClient(told.headers, attempt.call.id), told.cookies);
    const response = new Response(told.first ?? null, { status, headers });
    answers.set(response, { url: attempt.endpoint.url, said: first ?? new Uint8Array() });
    return response;
  };
  const ask = createForward({
    ...deps,
    send: takingWhole(deps.send),
    metrics: ofLeg(metrics),
    requestHeaders: (received) => {
      const headers = deps.requestHeaders(received);
      // The router reads the answer itself.
      headers["accept-encoding"] = "identity";
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
