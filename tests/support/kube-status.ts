/** A Status object (meta/v1) with the HTTP status that it travels with. */
export interface KubeStatus {
  readonly code: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Failure {
  readonly code: number;
  readonly message: string;
  readonly reason?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** Token of `metadata`, for a list that may go on all the same. */
  readonly continued?: string;
}

const failure = ({ code, message, reason, details, continued }: Failure): KubeStatus => ({
  code,
  body: {
    kind: "Status",
    apiVersion: "v1",
    metadata: continued === undefined ? {} : { continue: continued },
    status: "Failure",
    message,
    ...(reason !== undefined && { reason }),
    ...(details !== undefined && { details }),
    code,
  },
});

/** 401, for a token that nobody has. */
export const unauthorized = (): KubeStatus =>
  failure({ code: 401, message: "Unauthorized", reason: "Unauthorized" });

/** What was asked for, and by whom. */
export interface Attempt {
  readonly user: string;
  readonly verb: string;
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** 403, in the words of RBAC. */
export const forbidden = ({ user, verb, resource, namespace, name }: Attempt): KubeStatus => {
  const what = name === undefined ? resource : `${resource} "${name}"`;
  const where = namespace === undefined ? "at the cluster scope" : `in the namespace "${namespace}"`;
  return {
    ...failure({
      code: 403,
      message: `${what} is forbidden: User "${user}" cannot ${verb} resource "${resource}" in API group "" ${where}`,
      reason: "Forbidden",
      details: { ...(name !== undefined && { name }), kind: resource },
    }),
    headers: { "X-Content-Type-Options": "nosniff" },
  };
};

/** 404, for an object that is not there. */
export const notFound = (resource: string, name: string): KubeStatus =>
  failure({
    code: 404,
    message: `${resource} "${name}" not found`,
    reason: "NotFound",
    details: { name, kind: resource },
  });

/** 404, for a path that the server does not have. */
export const noSuchResource = (): KubeStatus =>
  failure({
    code: 404,
    message: "the server could not find the requested resource",
    reason: "NotFound",
    details: {},
  });

/** 405. */
export const methodNotAllowed = (): KubeStatus =>
  failure({
    code: 405,
    message: "the server does not allow this method on the requested resource",
    reason: "MethodNotAllowed",
    details: {},
  });

/** 400. */
export const badRequest = (message: string): KubeStatus =>
  failure({ code: 400, message, reason: "BadRequest" });

/** 500, for a version that is no number. */
export const badVersion = (version: string): KubeStatus =>
  failure({
    code: 500,
    message: `resourceVersion: Invalid value: "${version}": strconv.ParseUint: parsing "${version}": invalid syntax`,
  });

/** 410 for a token of a page, with one that goes on at the newest state. */
export const expiredContinue = (continued: string): KubeStatus =>
  failure({
    code: 410,
    message:
      "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    reason: "Expired",
    continued,
  });

/** 410 of a watch; it travels in an ERROR event of an answer that is 200. */
export const expiredWatch = (version: number, oldest: number): KubeStatus =>
  failure({ code: 410, message: `too old resource version: ${version} (${oldest})`, reason: "Expired" });

/** 409, for a patch of a version that is not the newest. */
export const conflict = (resource: string, name: string): KubeStatus =>
  failure({
    code: 409,
    message: `Operation cannot be fulfilled on ${resource} "${name}": the object has been modified; please apply your changes to the latest version and try again`,
    reason: "Conflict",
    details: { name, kind: resource },
  });

/** 415. */
export const unsupportedMediaType = (): KubeStatus =>
  failure({
    code: 415,
    message: "415: Unsupported Media Type",
    reason: "UnsupportedMediaType",
    details: {},
  });

const LABEL_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** 422, for a label value with characters that are not allowed. */
export const invalidLabel = (kind: string, name: string, value: string): KubeStatus => {
  const complaint = `Invalid value: ${JSON.stringify(value)}: ${LABEL_RULE}`;
  return failure({
    code: 422,
    message: `${kind} "${name}" is invalid: metadata.labels: ${complaint}`,
    reason: "Invalid",
    details: {
      name,
      kind,
      // Four times, as the server has it, which looks at a pod four times.
      causes: Array.from({ length: 4 }, () => ({
        reason: "FieldValueInvalid",
        message: complaint,
        field: "metadata.labels",
      })),
    },
  });
};

/** 422, for a label that is no string. */
export const unreadablePatch = (): KubeStatus =>
  failure({
    code: 422,
    message: ' "" is invalid: patch: Invalid value: cannot unmarshal into Go struct field ObjectMeta.labels',
    reason: "Invalid",
    details: { causes: [{ reason: "FieldValueInvalid", message: "Invalid value", field: "patch" }] },
  });

/** 429, with the time after which to come again. */
export const tooManyRequests = (retryAfterSeconds: number): KubeStatus => ({
  ...failure({
    code: 429,
    message: "too many requests, please try again later",
    reason: "TooManyRequests",
    details: { retryAfterSeconds },
  }),
  headers: { "Retry-After": String(retryAfterSeconds) },
});

/** 503, as a server gives it that is not ready yet. */
export const unavailable = (): KubeStatus =>
  failure({ code: 503, message: "apiserver is starting up", reason: "ServiceUnavailable" });
