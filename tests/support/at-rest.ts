import { expect } from "bun:test";
import { type Exposition, readExposition } from "./exposition.ts";

interface Serving {
  readonly url: string;
}

/** Reads a router's metrics. */
export const scrape = async ({ url }: Serving): Promise<Exposition> => {
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return readExposition(await response.text());
};

const GAUGES = [
  "vllm:num_requests_running",
  "vllm:num_prefill_requests",
  "vllm:num_decoding_requests",
  "vllm_router_active_streams",
  "vllm_router_requests_under_way",
  "vllm_router_queue_depth",
] as const;

/** Scrapes until every gauge of requests under way is 0; the test's time limit ends it otherwise. */
export const whenIdle = async (router: Serving): Promise<Exposition> => {
  for (;;) {
    const read = await scrape(router);
    if (GAUGES.every((name) => (read.value(name) ?? 0) === 0)) return read;
    for (const name of GAUGES) expect(read.value(name) ?? 0).toBeGreaterThanOrEqual(0);
  }
};
