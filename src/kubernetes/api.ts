/** A request to the API server. */
export interface KubeCall {
  readonly method: "GET" | "PATCH";
  /** Such as `/api/v1/namespaces/default/pods`, each segment encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: { readonly contentType: string; readonly json: unknown };
  /** Ends the request and the body of its answer. */
  readonly signal: AbortSignal;
}

/** The API server of a cluster, as one who may be someone there. */
export interface KubeApi {
  /**
   * One request with the credentials of the moment; resolves to the answer whatever its status, and rejects with
   * a KubeError when the server cannot be reached.
   */
  readonly request: (call: KubeCall) => Promise<Response>;
}
