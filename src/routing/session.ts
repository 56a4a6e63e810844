import * as v from "valibot";
import type { OptionTable, OptionValues } from "../core/option.ts";
import { createHashRing, type HashRing } from "./hash-ring.ts";
import { lowestQps } from "./lowest-qps.ts";
import type {
  Candidate,
  Candidates,
  PolicyModule,
  RoutingPolicy,
  RoutingRequest,
  SinglePlan,
} from "./policy.ts";

const options = {
  sessionKey: {
    group: "Routing",
    argument: "<name>",
    schema: v.string(),
    help: "Header, or else top-level body field, that holds the session id (session routing).",
  },
} as const satisfies OptionTable;

/** Models whose ring is kept; beyond that all rings are built anew. */
const MAX_RINGS = 1024;

/** RFC 9110 section 5.1; a key of another form can still name a body field. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/;

/** What is known of a set of engines, whose ring may have more nodes. */
interface View {
  readonly byUrl: ReadonlyMap<string, Candidate>;
  readonly has: (url: string) => boolean;
  readonly ring: HashRing;
}

const sessionIdOf = (request: RoutingRequest, key: string, isHeader: boolean): string | undefined => {
  const header = isHeader ? request.headers.get(key) : null;
  if (header !== null) return header;
  const field = request.field(key);
  return typeof field === "string" ? field : typeof field === "number" ? String(field) : undefined;
};

const createSession = ({ sessionKey = "" }: OptionValues<typeof options>): RoutingPolicy => {
  const isHeader = HEADER_NAME.test(sessionKey);
  const rings = new Map<string, HashRing>();
  const views = new WeakMap<Candidates, View>();

  // A ring outlives the loss of some of its nodes, which find() skips: a failover or a sick engine costs nothing.
  const ringFor = (model: string, urls: ReadonlyMap<string, Candidate>): HashRing => {
    const known = rings.get(model);
    if (known && known.nodes.size <= 2 * urls.size && urls.keys().every((url) => known.nodes.has(url))) {
      return known;
    }
    if (!known && rings.size >= MAX_RINGS) rings.clear();
    const ring = createHashRing(urls.keys());
    rings.set(model, ring);
    return ring;
  };

  const viewOf = (model: string, candidates: Candidates): View => {
    const known = views.get(candidates);
    if (known) return known;
    const byUrl = new Map(candidates.map((candidate) => [candidate.endpoint.url, candidate]));
    const view: View = { byUrl, has: (url) => byUrl.has(url), ring: ringFor(model, byUrl) };
    views.set(candidates, view);
    return view;
  };

  const plan = (request: RoutingRequest, candidates: Candidates): SinglePlan => {
    const sessionId = sessionIdOf(request, sessionKey, isHeader);
    if (sessionId === undefined) {
      const { endpoint } = lowestQps(candidates);
      return { kind: "single", endpoint, rule: "rate", reason: "no session id: lowest request rate" };
    }
    const { byUrl, has, ring } = viewOf(request.model, candidates);
    const url = ring.find(sessionId, has);
    const { endpoint } = (url === undefined ? undefined : byUrl.get(url)) ?? candidates[0];
    return { kind: "single", endpoint, rule: "session", reason: "session on the hash ring", sessionId };
  };
  return { plan, explain: (request, candidates) => ({ plan: plan(request, candidates) }) };
};

/** The same engine for the same session id, by consistent hashing; without an id the lowest request rate. */
export const session = {
  name: "session",
  summary: "the same engine for the same session id",
  options,
  problems: ({ sessionKey }) =>
    sessionKey === undefined ? ["Session key must be provided when using session routing logic."] : [],
  create: createSession,
} as const satisfies PolicyModule<"session", typeof options>;
