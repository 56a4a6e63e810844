/** How a connection to the API server is secured. */
export interface KubeTls {
  /** PEM of the authorities that are trusted in place of the well-known ones. */
  readonly ca?: string;
  /** PEM of the client's certificate, and of its key. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that the server's certificate must have, where it is not that of the URL. */
  readonly serverName?: string;
  /** False takes any certificate. */
  readonly rejectUnauthorized: boolean;
}

/** What of `RequestInit` a request to the API server may set. */
export interface KubeRequest {
  readonly method: string;
  readonly headers: Headers;
  readonly body?: string | undefined;
  /** Ends the request and the body of its answer; every caller has one. */
  readonly signal: AbortSignal;
  readonly tls: KubeTls;
  /** URL of the proxy that the kubeconfig names; those of the environment never count. */
  readonly proxy?: string | undefined;
}

/** Sends one request to the API server; lent by the platform. */
export type KubeFetch = (url: string, request: KubeRequest) => Promise<Response>;
