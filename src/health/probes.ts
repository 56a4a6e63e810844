import type { EngineFetch } from "../core/engine-fetch.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { describeStatus } from "../core/no-answer.ts";
import type { Finding } from "./checker.ts";
import { dummyRequest, type ModelType } from "./payloads.ts";

interface ProbeDeps {
  readonly fetch: EngineFetch;
  readonly apiKey?: string | undefined;
}

const headersFor = (apiKey: string | undefined): Headers => {
  const headers = new Headers({ "user-agent": "vllm-router" });
  if (apiKey !== undefined) headers.set("authorization", `Bearer ${apiKey}`);
  return headers;
};

/**
 * The light probe, over a fresh connection: whoever answers is alive, since not every engine has the path; 503 is
 * how vLLM says that its engine is dead.
 */
export const probeLiveness =
  (path: string, { fetch, apiKey }: ProbeDeps) =>
  async ({ url }: Pick<Endpoint, "url">, signal: AbortSignal): Promise<Finding> => {
    const request = { method: "GET", headers: headersFor(apiKey), signal, fresh: true };
    const { status, body } = await fetch(url + path, request);
    await body?.cancel();
    const reason = describeStatus(path, status);
    if (status === 503) return { verdict: "dead", reason };
    return { verdict: status >= 500 ? "fail" : "pass", reason };
  };

/** A model on an engine, and what kind of request it takes. */
export interface ServedModel {
  readonly url: string;
  readonly model: string;
  readonly type: ModelType;
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** The heavy probe: a small real request over a fresh connection, which the model has to answer. */
export const probeModel =
  ({ fetch, apiKey }: ProbeDeps) =>
  async ({ url, model, type }: ServedModel, signal: AbortSignal): Promise<Finding> => {
    const { path, contentType, body, expectsJson } = await dummyRequest(type, model);
    const headers = headersFor(apiKey);
    headers.set("content-type", contentType);
    const response = await fetch(url + path, { method: "POST", headers, body, signal, fresh: true });
    const reason = describeStatus(path, response.status);
    if (!response.ok) {
      await response.body?.cancel();
      return { verdict: "fail", reason };
    }
    const text = await response.text();
    return expectsJson && !isJson(text)
      ? { verdict: "fail", reason: `${path} answered with something that is not JSON` }
      : { verdict: "pass", reason };
  };
