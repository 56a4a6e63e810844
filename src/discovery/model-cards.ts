import * as v from "valibot";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { ModelCard } from "../core/endpoint.ts";
import { describeStatus } from "../core/no-answer.ts";

const sleepState = v.object({ is_sleeping: v.boolean() });
const modelList = v.object({ data: v.array(v.looseObject({ id: v.string() })) });

interface CardDeps {
  readonly fetch: EngineFetch;
  readonly apiKey?: string | undefined;
}

const ask = async (
  url: string,
  path: string,
  { fetch, apiKey }: CardDeps,
  signal: AbortSignal,
): Promise<unknown> => {
  const headers = new Headers({ accept: "application/json", "user-agent": "vllm-router" });
  if (apiKey !== undefined) headers.set("authorization", `Bearer ${apiKey}`);
  const response = await fetch(`${url}${path}`, { method: "GET", headers, signal, fresh: true });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(describeStatus(path, response.status));
  }
  return response.json();
};

/**
 * The cards of an engine's `GET /v1/models`, over a fresh connection. Rejects when the engine does not answer
 * with a list of models; the message is for the log and names no secret.
 */
export const fetchModelCards = async (
  baseUrl: string,
  deps: CardDeps,
  signal: AbortSignal,
): Promise<readonly ModelCard[]> => {
  const { success, output } = v.safeParse(modelList, await ask(baseUrl, "/v1/models", deps, signal));
  if (!success) throw new Error("/v1/models answered with something that is not a list of models");
  return output.data;
};

/** Whether an engine sleeps, by its `GET /is_sleeping`. Rejects when it does not say so. */
export const fetchSleepState = async (
  baseUrl: string,
  deps: CardDeps,
  signal: AbortSignal,
): Promise<boolean> => {
  const { success, output } = v.safeParse(sleepState, await ask(baseUrl, "/is_sleeping", deps, signal));
  if (!success) throw new Error("/is_sleeping answered with something that is not a sleep state");
  return output.is_sleeping;
};
