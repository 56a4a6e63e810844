import type { Clock } from "../core/clock.ts";
import type { KubeFetch } from "../core/kube-fetch.ts";
import type { RunProgram } from "../core/run-program.ts";
import { version } from "../version.ts";
import { loadAccess } from "./access.ts";
import { KubeError } from "./kube-error.ts";

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

/** What the API server is reached by; lent by the platform. */
export interface KubeDoor {
  readonly fetch: KubeFetch;
  /** Runs the credential plugin of a kubeconfig. */
  readonly run: RunProgram;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where a pod finds its service account; the folder of the kubelet where it is left out. */
  readonly serviceAccount?: string;
}

/** What certificate errors of the runtime mean for whoever wrote the configuration. */
const certificateRemedies: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID:
    "its certificate is for another name: tls-server-name of the kubeconfig can say which",
  CERT_HAS_EXPIRED: "its certificate has expired",
};

const UNTRUSTED = /^(?:SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER))/;

const reasonOf = (error: unknown): string => {
  const { code } = error as { readonly code?: unknown };
  if (typeof code !== "string") return error instanceof Error ? error.message : String(error);
  const remedy = UNTRUSTED.test(code)
    ? "its certificate is not signed by the certificate-authority that is configured"
    : certificateRemedies[code];
  return remedy === undefined ? code : `${code}, ${remedy}`;
};

/**
 * Finds the cluster as kubectl does, and fails at once where there is none. A request that is answered 401 is made
 * once more with everything read again: the configuration, its certificates, and the plugin's word.
 */
export const connectKubeApi = async (
  { fetch, ...door }: KubeDoor,
  { clock }: { readonly clock: Clock },
): Promise<KubeApi> => {
  const load = async () => loadAccess(door, { clock });
  let access = Promise.resolve(await load());

  const send = async ({ method, path, query, body, signal }: KubeCall): Promise<Response> => {
    const { server, proxy, credentials } = await access;
    const { headers, tls } = await credentials();
    signal.throwIfAborted();
    const search = query === undefined ? "" : `?${new URLSearchParams(query).toString()}`;
    try {
      return await fetch(`${server}${path}${search}`, {
        method,
        headers: new Headers({
          accept: "application/json",
          "user-agent": `vllm-router/${version}`,
          ...(body && { "content-type": body.contentType }),
          ...headers,
        }),
        body: body && JSON.stringify(body.json),
        signal,
        tls,
        proxy,
      });
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new KubeError(`cannot reach the Kubernetes API at ${server}: ${reasonOf(cause)}`, { cause });
    }
  };

  return {
    request: async (call) => {
      const used = access;
      const first = await send(call);
      if (first.status !== 401) return first;
      await first.body?.cancel();
      // Whoever was refused at the same time has already begun to read it again.
      if (access === used) {
        const again = load();
        // A file that is half-written must not take away what worked before.
        access = again.catch(async () => used);
      }
      return send(call);
    },
  };
};
