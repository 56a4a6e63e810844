import type { Config } from "../config/config.ts";
import type { MetricsState } from "../metrics/registry.ts";
import type { SharedMemory } from "../sharing.ts";
import type { ViewChange, ViewState } from "./engine-view.ts";

/** What a worker is started with. */
export interface WorkerSetup extends Next {
  /** From 1; a worker that is started again has the number of the one before. */
  readonly row: number;
  /** One moment by the control plane's monotonic clock and by the wall. */
  readonly clock: { readonly at: number; readonly wall: number };
  /** Of the port all workers listen on. */
  readonly port: number;
  readonly view: ViewState;
  /** Signs of life, as `createSigns` lays them out. */
  readonly signs: SharedArrayBuffer;
  /** Whether a person reads the stream on a terminal. */
  readonly isColored: Readonly<Record<"stdout" | "stderr", boolean>>;
}

/** A request that a worker has let in and does not forward. */
export interface Asked {
  readonly id: number;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  /** Of the client. */
  readonly address: string | undefined;
}

/** The answer to it. */
export interface Told {
  readonly id: number;
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: ArrayBuffer;
}

/** What the next router is made by. */
export interface Next {
  readonly config: Config;
  readonly memory: SharedMemory;
}

/** What the control plane waits for. */
export type Order =
  /** Something is known of engines; perhaps with a configuration that is in effect from now on. */
  | { readonly kind: "view"; readonly change: ViewChange; readonly next?: Next }
  /** The process is asked to end: not ready any more. */
  | { readonly kind: "drain" }
  | { readonly kind: "stop"; readonly closesActive: boolean }
  /** Say what is counted of these servers. */
  | { readonly kind: "count"; readonly servers: ReadonlySet<string> };

/** What the control plane says to a worker. */
export type ToWorker =
  /** Look at the files of keys. */
  | { readonly kind: "keys" }
  | { readonly kind: "answer"; readonly answer: Told }
  | { readonly kind: "cut" }
  | (Order & { readonly id: number });

/** What a worker says to the control plane. */
export type FromWorker =
  | { readonly kind: "listening"; readonly origin: string }
  | { readonly kind: "refused"; readonly reason: string }
  /** Whole lines of the log. */
  | { readonly kind: "lines"; readonly stream: "stdout" | "stderr"; readonly text: string }
  | { readonly kind: "fault"; readonly error: Error }
  | { readonly kind: "ask"; readonly asked: Asked }
  /** The client of a request is gone. */
  | { readonly kind: "left"; readonly id: number }
  /** No connection could be made to an engine. */
  | { readonly kind: "suspect"; readonly endpointId: string }
  /** What was asked for by this number is done. */
  | { readonly kind: "done"; readonly id: number; readonly counted?: MetricsState };
