import * as v from "valibot";

/** What discovery reads of a pod, or of a service that stands for engines. */
export interface EngineObject {
  /** Another one after it was deleted and made again under the same name. */
  readonly uid: string;
  readonly name: string;
  /** Changes with everything that happens to it. */
  readonly version: string;
  /** Where its engine takes new requests; absent while it must not get any. */
  readonly url?: string;
  /** Why it must not get any, as half a sentence. */
  readonly reason?: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** What it serves, in the operator's words. */
  readonly label?: string;
  /** Whether a router put it to sleep, as its label says. */
  readonly isMarkedAsleep: boolean;
  /** Whether its engine knows `/is_sleeping`. */
  readonly canSleep: boolean;
}

/** What every object of Kubernetes has, as far as it matters here. */
export const metadataSchema = v.object({
  name: v.string(),
  uid: v.string(),
  resourceVersion: v.string(),
  creationTimestamp: v.optional(v.string(), ""),
  deletionTimestamp: v.exactOptional(v.string()),
  labels: v.optional(v.record(v.string(), v.string()), {}),
});

/** What the labels and times of an object say, whatever kind it is. */
export const describeMetadata = ({
  metadata,
}: {
  readonly metadata: v.InferOutput<typeof metadataSchema>;
}) => ({
  uid: metadata.uid,
  name: metadata.name,
  version: metadata.resourceVersion,
  createdAt: Date.parse(metadata.creationTimestamp) || 0,
  isMarkedAsleep: metadata.labels["sleeping"] === "true",
});
