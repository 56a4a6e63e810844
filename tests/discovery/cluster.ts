import type { Clock } from "../../src/core/clock.ts";
import type { KubernetesOptions } from "../../src/discovery/kubernetes.ts";
import type { KubeApi, KubeCall } from "../../src/kubernetes/api.ts";

/** Pods of the namespace `default` with the label that `pod` gives them. */
export const inCluster: KubernetesOptions = {
  kind: "k8s",
  type: "pod-ip",
  namespace: "default",
  labelSelector: "environment=test",
  port: 8000,
  watchTimeoutSeconds: 0,
  askTimeoutSeconds: 10,
};

/** An object as it is put into the cluster, which gives it its version. */
interface PutObject {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

interface Labelling {
  readonly metadata: { readonly labels: Readonly<Record<string, string | null>> };
}

interface Watch {
  readonly kind: string;
  readonly selector: string;
  readonly stream: ReadableStreamDefaultController<Uint8Array>;
}

interface Happening {
  readonly kind: string;
  readonly at: number;
  readonly before: PutObject | undefined;
  readonly after: PutObject | undefined;
}

/** The API of a cluster in memory, for tests in virtual time; what the real one sends is shown elsewhere. */
export interface MemoryCluster {
  readonly api: KubeApi;
  readonly put: (kind: string, object: PutObject) => void;
  readonly remove: (kind: string, name: string) => void;
  /** Cuts every watch; while it is down nobody gets an answer. */
  readonly setDown: (isDown: boolean) => void;
  /** Ends every watch, with an event of its own where one is given. */
  readonly endWatches: (last?: unknown) => void;
  /** Refuses patches for want of the right. */
  readonly forbidPatches: () => void;
  /** What was asked for, as `list pods`, and when in monotonic milliseconds. */
  readonly calls: readonly { readonly what: string; readonly at: number }[];
}

const matches = ({ metadata: { labels = {} } }: PutObject, selector: string): boolean =>
  selector === "" ||
  selector.split(",").every((term) => labels[term.split("=")[0] ?? ""] === term.split("=")[1]);

/** An empty cluster. */
export const createMemoryCluster = (clock: Clock): MemoryCluster => {
  const kinds = new Map<string, Map<string, PutObject>>();
  const watches = new Set<Watch>();
  const history: Happening[] = [];
  const calls: { what: string; at: number }[] = [];
  let version = 100;
  let isDown = false;
  let mayPatch = true;
  const objectsOf = (kind: string): Map<string, PutObject> => {
    const objects = kinds.get(kind) ?? new Map<string, PutObject>();
    kinds.set(kind, objects);
    return objects;
  };

  const send = (watch: Watch, type: string, object: unknown): void =>
    watch.stream.enqueue(Buffer.from(`${JSON.stringify({ type, object })}\n`));

  const tell = (watch: Watch, { kind, at, before, after }: Happening): void => {
    if (watch.kind !== kind) return;
    const was = before && matches(before, watch.selector);
    const is = after && matches(after, watch.selector);
    const versioned = before && { ...before, metadata: { ...before.metadata, resourceVersion: String(at) } };
    if (is) send(watch, was ? "MODIFIED" : "ADDED", after);
    else if (was) send(watch, "DELETED", versioned);
  };

  const emit = (kind: string, before: PutObject | undefined, after: PutObject | undefined): void => {
    const happening = { kind, at: version, before, after };
    history.push(happening);
    for (const watch of watches) tell(watch, happening);
  };

  const put = (kind: string, object: PutObject): void => {
    version += 1;
    const after = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    const objects = objectsOf(kind);
    const before = objects.get(object.metadata.name);
    objects.set(object.metadata.name, after);
    emit(kind, before, after);
  };

  const end = (how: (watch: Watch) => void): void => {
    for (const watch of watches) how(watch);
    watches.clear();
  };

  const watch = ({ query = {}, signal }: KubeCall, kind: string): Response => {
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => {
        const opened = { kind, selector: query["labelSelector"] ?? "", stream };
        watches.add(opened);
        for (const happening of history)
          if (happening.at > Number(query["resourceVersion"])) tell(opened, happening);
        signal.addEventListener("abort", () => {
          if (watches.delete(opened)) stream.error(signal.reason);
        });
      },
    });
    return new Response(body);
  };

  const patch = ({ body }: KubeCall, kind: string, name: string): Response => {
    const object = objectsOf(kind).get(name);
    if (!mayPatch)
      return Response.json({ kind: "Status", message: `${kind} "${name}" is forbidden` }, { status: 403 });
    if (!object) return Response.json({ kind: "Status", message: "not found" }, { status: 404 });
    const json = body?.json as Labelling | undefined;
    const labels = Object.entries({ ...object.metadata.labels, ...json?.metadata.labels }).flatMap(
      ([key, value]) => (value === null ? [] : [[key, value]]),
    );
    put(kind, { ...object, metadata: { ...object.metadata, labels: Object.fromEntries(labels) } });
    return Response.json(objectsOf(kind).get(name));
  };

  const request = async (call: KubeCall): Promise<Response> => {
    const [, , , , , kind = "", name] = call.path.split("/");
    const isWatch = call.query?.["watch"] !== undefined;
    const verb = call.method === "PATCH" ? "patch" : isWatch ? "watch" : "list";
    calls.push({ what: `${verb} ${kind}`, at: clock.monotonic() });
    if (isDown) throw new Error("connection refused");
    if (name !== undefined) return patch(call, kind, name);
    if (isWatch) return watch(call, kind);
    const items = [...objectsOf(kind).values()].filter((object) =>
      matches(object, call.query?.["labelSelector"] ?? ""),
    );
    return Response.json({ kind: "List", metadata: { resourceVersion: String(version) }, items });
  };

  return {
    api: { request },
    put,
    remove: (kind, name) => {
      const before = objectsOf(kind).get(name);
      objectsOf(kind).delete(name);
      version += 1;
      emit(kind, before, undefined);
    },
    setDown: (down) => {
      isDown = down;
      if (down) end(({ stream }) => stream.error(new Error("connection reset")));
    },
    endWatches: (last) =>
      end((opened) => {
        if (last !== undefined) opened.stream.enqueue(Buffer.from(`${JSON.stringify(last)}\n`));
        opened.stream.close();
      }),
    forbidPatches: () => {
      mayPatch = false;
    },
    calls,
  };
};
