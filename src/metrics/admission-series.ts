import type { ErrorCode } from "../core/errors.ts";
import type { Registry } from "./registry.ts";

/** Who was let in, who waited, and who was turned away. */
export interface AdmissionSeries {
  /** A request waited to be let in, whatever came of it. */
  readonly queued: (ms: number) => void;
  /** A request presented the key of this name. */
  readonly authorized: (key: string) => void;
  /** A request was turned away. */
  readonly rejected: (reason: ErrorCode) => void;
  /** How many requests are under way and wait now. */
  readonly admission: (counts: { readonly underWay: number; readonly waiting: number }) => void;
}

const REASONS = [
  "invalid_api_key",
  "queue_full",
  "queue_timeout",
  "overloaded",
] as const satisfies readonly ErrorCode[];

/** The series of admission. */
export const createAdmissionSeries = ({
  counter,
  gauge,
  histogram,
}: Pick<Registry, "counter" | "gauge" | "histogram">): AdmissionSeries => {
  const wait = histogram("vllm_router_queue_wait_seconds", {});
  const underWay = gauge("vllm_router_requests_under_way", {});
  const depth = gauge("vllm_router_queue_depth", {});
  const rejections = (reason: string) => counter("vllm_router_rejected_requests_total", { reason });
  // A rate does not see a series that begins with its first rejection.
  for (const reason of REASONS) rejections(reason);
  return {
    queued: (ms) => wait.observe(ms / 1000),
    authorized: (key) => counter("vllm_router_authorized_requests_total", { key }).add(1),
    rejected: (reason) => rejections(reason).add(1),
    admission: (counts) => {
      underWay.set(counts.underWay);
      depth.set(counts.waiting);
    },
  };
};
