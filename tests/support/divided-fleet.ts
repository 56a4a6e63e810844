import { createMockEngine, type MockEngine } from "../../src/mock-engine/engine.ts";
import { engineFetch, systemClock } from "../../src/platform.ts";
import { routingBy, type RoutingLogic } from "../../src/routing/index.ts";
import { startRouter, type TestRouter } from "./router.ts";

/** The options of both sides. */
export const LABELS = { prefillModelLabels: ["prefill"], decodeModelLabels: ["decode"] };
/** The logic that hands over by parameters. */
export const ORCHESTRATED = "disaggregated_prefill_orchestrated";
/** Longer than a block of the KV cache, and too short to be worth holding. */
export const PROMPT = "It was a dark and stormy night. ".repeat(20);
/** Nobody listens there. */
export const DEAD = { url: "http://127.0.0.1:9", port: 9 };

/** An engine of model `m` that plays one part, and takes no time. */
export const engine = (role: "prefill" | "decode", options: Parameters<typeof createMockEngine>[0] = {}) =>
  createMockEngine(
    { role, servedModelName: ["m"], timeScale: 0, ...options },
    { clock: systemClock, fetch: engineFetch },
  );

interface Fleet {
  readonly prefill: readonly Pick<MockEngine, "url">[];
  readonly decode: readonly Pick<MockEngine, "url">[];
}

/** A router over engines of both sides. */
export const route = (
  { prefill, decode }: Fleet,
  options: Partial<Parameters<typeof startRouter>[0]> & { readonly logic?: RoutingLogic } = {},
): TestRouter =>
  startRouter({
    backends: [
      ...prefill.map(({ url }) => ({ url, models: ["m"], label: "prefill" })),
      ...decode.map(({ url }) => ({ url, models: ["m"], label: "decode" })),
    ],
    routing: routingBy(options.logic ?? ORCHESTRATED, LABELS),
    ...options,
  });

/** Sends a completion to a router. */
export const ask = async (
  { url }: Pick<TestRouter, "url">,
  fields: object = {},
  headers: Readonly<Record<string, string>> = {},
  signal: AbortSignal | null = null,
): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": "r-1", ...headers },
    body: JSON.stringify({ model: "m", prompt: PROMPT, max_tokens: 5, ignore_eos: true, ...fields }),
    signal,
  });

/** Engines in the order of the routing lines of a request, with the session ids. */
export const routed = ({ lines }: TestRouter, id = "r-1"): readonly string[] =>
  lines.flatMap((line) => {
    const [, session, url] =
      RegExp(`Routing request ${id} with session id (\\S+) to (\\S+) at `).exec(line) ?? [];
    return url === undefined ? [] : [`${session} ${url}`];
  });

/** Lines of the metrics of a router. */
export const metric = async ({ url }: TestRouter, name: string): Promise<readonly string[]> =>
  (await (await fetch(`${url}/metrics`)).text()).split("\n").filter((line) => line.startsWith(name));

/** Whether no engine has anything of a request, as the router counts. */
export const isIdle = async (router: TestRouter): Promise<boolean> => {
  const running = await metric(router, "vllm:num_requests_running");
  return running.length > 0 && running.every((line) => line.endsWith(" 0"));
};
