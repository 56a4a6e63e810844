/** One engine that requests can be routed to: one base URL and what it serves. */
export interface Endpoint {
  /** Stable for the same engine across reloads and router replicas; a UUID. */
  readonly id: string;
  /** Tells it from an earlier engine of the same id, where names are used again: the uid of a pod. */
  readonly instance?: string;
  /** Base URL without a trailing slash, such as `http://10.0.0.1:8000/prefix`; request paths are appended. */
  readonly url: string;
  readonly models: readonly string[];
  /** Model cards as the engine's `/v1/models` gave them; absent where models come from configuration. */
  readonly cards?: readonly ModelCard[];
  /** Free text given by the operator (`--static-model-labels`) or by the pod label `model`. */
  readonly label?: string;
  /** Epoch seconds at which discovery added it. */
  readonly addedAt: number;
}

/** An entry of `/v1/models`; fields that the router does not know are kept. */
export interface ModelCard {
  readonly id: string;
  readonly [field: string]: unknown;
}
