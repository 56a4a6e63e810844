/** Why the API server did not do what it was asked; the message is one sentence for a log line. */
export class KubeError extends Error {
  /** HTTP status, or the code of a Status object; absent where there was no answer. */
  readonly status: number | undefined;
  /** How long the server wants to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    {
      status,
      retryAfterMs,
      cause,
    }: {
      readonly status?: number | undefined;
      readonly retryAfterMs?: number | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause });
    this.name = "KubeError";
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Longest part of an answer that is read to learn what went wrong. */
const MAX_STATUS_CHARACTERS = 16_384;

/** `message` of a Status object (meta/v1), where the text is one. */
const statusMessage = (text: string): string | undefined => {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
};

const retryAfterMs = (response: Response): number | undefined => {
  const seconds = response.headers.get("retry-after");
  return seconds !== null && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined;
};

/** What to look at after an answer that is no want of a right. */
const remedyOf = (status: number, verb: string): string => {
  if (status === 401)
    return "; the token, certificate or plugin of the kubeconfig, or the pod's service account, is not of this cluster or has expired";
  // Nothing else in the address of a list is the operator's.
  return status === 400 && verb !== "patch" ? "; is --k8s-label-selector one that kubectl get -l takes?" : "";
};

/** `/api/v1/namespaces/a/pods/b` -> what a Role would have to name. */
const resourceOf = (path: string): { readonly resource: string; readonly namespace?: string } => {
  const segments = path.split("/").slice(path.startsWith("/apis/") ? 4 : 3);
  const [first = "", namespace, resource] = segments;
  return first === "namespaces" && namespace !== undefined && resource !== undefined
    ? { resource, namespace }
    : { resource: first };
};

/**
 * The error for an answer that is not what was hoped for. `verb` is that of RBAC; a refusal for want of a right
 * says which verb on which resource is missing, and where.
 */
export const kubeErrorOf = async (response: Response, verb: string, path: string): Promise<KubeError> => {
  const { status } = response;
  const { resource, namespace } = resourceOf(path);
  const said = statusMessage((await response.text()).slice(0, MAX_STATUS_CHARACTERS));
  const object = `${resource} in ${namespace === undefined ? "all namespaces" : `namespace ${namespace}`}`;
  const answer = `the Kubernetes API answers ${status} to ${verb} ${object}`;
  const details = said === undefined ? `status ${status}` : said;
  const remedy = namespace === undefined ? "ClusterRole" : `Role in namespace ${namespace}`;
  const message =
    status === 403
      ? `no right to ${verb} ${object}: a ${remedy} must grant the verb "${verb}" on "${resource}" (${details})`
      : `${answer} (${details})${remedyOf(status, verb)}`;
  return new KubeError(message, { status, retryAfterMs: retryAfterMs(response) });
};
