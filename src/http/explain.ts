import { openAiError, RouterError } from "../core/errors.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EngineGroup } from "../fleet/engine-group.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Call } from "../proxy/call.ts";
import type { Prefill } from "../proxy/handover.ts";
import type { Candidates, RoutePlan, RoutingPolicy, RoutingRequest } from "../routing/policy.ts";

interface ExplainDeps {
  readonly fleet: Fleet;
  readonly policy: RoutingPolicy<RoutePlan>;
  readonly prefill?: Pick<Prefill, "isPossible"> | undefined;
  readonly aliases: ReadonlyMap<string, string>;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
}

/** Says which engine a call would get, and why, as JSON. Nothing is sent and nothing changes. */
export type Explain = (call: Call) => unknown;

const decisionOf = (plan: RoutePlan | undefined): unknown => {
  switch (plan?.kind) {
    case "single": {
      const { kind, endpoint, rule, reason } = plan;
      return { kind, engine_id: endpoint.id, url: endpoint.url, rule, reason };
    }
    case "disaggregated":
      return { kind: plan.kind, reason: plan.reason };
    case undefined:
      return null;
    default:
      return plan satisfies never;
  }
};

/** Creates the answers of `POST /debug/route`. */
export const createExplain = ({ fleet, policy, prefill, aliases, monotonic }: ExplainDeps): Explain => {
  const nameOf = ({ id, url }: Endpoint) => ({ engine_id: id, url, state: fleet.stateOf(id) });

  const rowsOf = (
    candidates: Candidates,
    { standings = [] }: ReturnType<NonNullable<typeof policy.explain>>,
  ) =>
    candidates.map(({ endpoint, requests, engine }, place) => {
      const standing = standings[place];
      return {
        ...nameOf(endpoint),
        in_prefill: requests.inPrefill,
        in_decode: requests.inDecode,
        ...(requests.qps === undefined ? {} : { qps: requests.qps }),
        ...(engine?.waiting === undefined ? {} : { engine_waiting: engine.waiting }),
        ...(engine?.kvCacheUsage === undefined ? {} : { kv_cache_usage: engine.kvCacheUsage }),
        ...(standing && {
          waiting_tokens: standing.waitingTokens,
          matched_tokens: standing.matchedTokens,
          cost: standing.cost,
        }),
      };
    });

  const sideOf = (
    group: EngineGroup,
    { explain }: Pick<RoutingPolicy<RoutePlan>, "explain">,
    request: RoutingRequest,
    only: string | undefined,
  ) => {
    const candidates = group.candidates(request.model, { only });
    if (!candidates) return { decision: null, ...openAiError(group.missing(request.model)), candidates: [] };
    const explanation = explain?.(request, candidates) ?? {};
    const { plan, unit, promptTokens } = explanation;
    return {
      decision: decisionOf(plan),
      ...(promptTokens === undefined ? {} : { prompt_tokens: promptTokens }),
      ...(unit === undefined ? {} : { cost_unit: unit }),
      candidates: rowsOf(candidates, explanation),
    };
  };

  return (call) => {
    const named = call.model ?? fleet.onlyModel();
    if (named === undefined) throw new RouterError("invalid_request", "Invalid request: missing 'model'.");
    const model = aliases.get(named) ?? named;
    const { headers, field, engineId } = call;
    const prompt = call.prompt(model);
    const canPrefill = prefill?.isPossible(call) ?? false;
    const request = { model, headers, field, prompt: () => prompt, at: monotonic(), canPrefill };
    const answer = sideOf(fleet, policy, request, engineId);
    const before = canPrefill && policy.prefill && sideOf(fleet.prefill, policy.prefill, request, undefined);
    const asked = new Set(
      [...answer.candidates, ...(before ? before.candidates : [])].map((row) => row.engine_id),
    );
    const others = fleet.endpoints.filter(({ id, models }) => models.includes(model) && !asked.has(id));
    return { model, ...answer, ...(before && { prefill: before }), left_out: others.map(nameOf) };
  };
};
