type Json = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** RFC 7396. A strategic merge patch is the same where it holds no list, and no other is sent here. */
const merge = (target: unknown, patch: unknown): unknown => {
  if (!isObject(patch)) return patch;
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
};

interface Operation {
  readonly op: "add" | "remove" | "replace";
  readonly path: string;
  readonly value?: unknown;
}

const operate = (target: unknown, { op, value }: Operation, keys: readonly string[]): unknown => {
  const [key, ...rest] = keys;
  if (key === undefined) return value;
  if (!isObject(target)) throw new Error("the path of a JSON patch leads nowhere");
  if (rest.length > 0) {
    return { ...target, [key]: operate(target[key], { op, path: "", value }, rest) };
  }
  const { [key]: _gone, ...others } = target;
  return op === "remove" ? others : { ...target, [key]: value };
};

/** RFC 6902, as far as it changes members of objects. */
const applyOperations = (target: unknown, operations: readonly Operation[]): unknown =>
  operations.reduce(
    (value, operation) =>
      operate(
        value,
        operation,
        operation.path
          .split("/")
          .slice(1)
          .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~")),
      ),
    target,
  );

/** What a patch makes of an object; undefined for a type of patch that there is not. */
export const applyPatch = <T extends object>(
  object: T,
  contentType: string,
  body: string,
): { readonly patched: T; readonly version: unknown } | undefined => {
  const patch = JSON.parse(body) as unknown;
  switch (contentType) {
    case "application/merge-patch+json":
    case "application/strategic-merge-patch+json": {
      const metadata = (patch as { readonly metadata?: { readonly resourceVersion?: unknown } }).metadata;
      return { patched: merge(object, patch) as T, version: metadata?.resourceVersion };
    }
    case "application/json-patch+json":
      return { patched: applyOperations(object, patch as readonly Operation[]) as T, version: undefined };
    default:
      return undefined;
  }
};
