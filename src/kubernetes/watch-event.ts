/** A line of a watch (meta/v1 WatchEvent), understood. */
export type WatchEvent =
  | { readonly type: "changed" | "deleted"; readonly object: unknown; readonly resourceVersion: string }
  | { readonly type: "bookmark"; readonly resourceVersion: string }
  /** The server's own words, or that the line says nothing. */
  | { readonly type: "failed"; readonly message: string; readonly status?: number };

const types = { ADDED: "changed", MODIFIED: "changed", DELETED: "deleted", BOOKMARK: "bookmark" } as const;

const isType = (type: unknown): type is keyof typeof types => typeof type === "string" && type in types;

interface Envelope {
  readonly type?: unknown;
  readonly object?: {
    readonly metadata?: { readonly resourceVersion?: unknown };
    readonly message?: unknown;
    readonly code?: unknown;
  };
}

const parseJson = (line: string): Envelope => {
  try {
    return (JSON.parse(line) ?? {}) as Envelope;
  } catch {
    return {};
  }
};

/** Reads a line of a watch. `ERROR` and garbage are failures alike: what was missed is unknown in both cases. */
export const parseWatchEvent = (line: string): WatchEvent => {
  const { type, object } = parseJson(line);
  const resourceVersion = object?.metadata?.resourceVersion;
  if (isType(type) && typeof resourceVersion === "string" && resourceVersion !== "") {
    return { type: types[type], object, resourceVersion };
  }
  if (type !== "ERROR") return { type: "failed", message: "a line of it is no event of Kubernetes" };
  const { message, code } = object ?? {};
  return {
    type: "failed",
    message: typeof message === "string" ? message : "the server does not say why",
    ...(typeof code === "number" && { status: code }),
  };
};
