import * as v from "valibot";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { ModelCard } from "../core/endpoint.ts";

const modelList = v.object({ data: v.array(v.looseObject({ id: v.string() })) });

interface CardDeps {
  readonly fetch: EngineFetch;
  readonly apiKey?: string | undefined;
}

/**
 * The cards of an engine's `GET /v1/models`, over a fresh connection. Rejects when the engine does not answer
 * with a list of models; the message is for the log and names no secret.
 */
export const fetchModelCards = async (
  baseUrl: string,
  { fetch, apiKey }: CardDeps,
  signal: AbortSignal,
): Promise<readonly ModelCard[]> => {
  const headers = new Headers({ accept: "application/json", "user-agent": "vllm-router" });
  if (apiKey !== undefined) headers.set("authorization", `Bearer ${apiKey}`);
  const response = await fetch(`${baseUrl}/v1/models`, { method: "GET", headers, signal, fresh: true });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`/v1/models answered ${response.status}`);
  }
  const { success, output } = v.safeParse(modelList, await response.json());
  if (!success) throw new Error("/v1/models answered with something that is not a list of models");
  return output.data;
};
