/** An object as it is stored: without `kind` and `apiVersion`, which lists leave out as well. */
export interface StoredObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** An object as a test writes it: what is missing is filled in. */
export interface NewObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** Kinds of the resources that there are. */
export const kinds = { pods: "Pod", services: "Service", endpoints: "Endpoints" } as const;

/** A resource by its plural name. */
export type Resource = keyof typeof kinds;

/** Whether there is such a resource. */
export const isResource = (name: string): name is Resource => name in kinds;

/** One change: what an object was before, and what it is now. */
export interface StoreEvent {
  readonly version: number;
  readonly resource: Resource;
  readonly before?: StoredObject;
  readonly after?: StoredObject;
}

/** Objects under one counter of versions, with the changes that a watch may still start from. */
export interface KubeStore {
  readonly version: () => number;
  /** The next change gets a version above this one. */
  readonly skipTo: (version: number) => void;
  /** Creates an object, or replaces the one of that name; the uid of one that is there stays. */
  readonly put: (resource: Resource, object: NewObject) => StoredObject;
  /** Changes an object that is there. */
  readonly edit: (
    resource: Resource,
    name: string,
    change: (object: StoredObject) => StoredObject,
    namespace?: string,
  ) => StoredObject;
  readonly remove: (resource: Resource, name: string, namespace?: string) => void;
  readonly find: (resource: Resource, namespace: string, name: string) => StoredObject | undefined;
  /** In the order of the keys of etcd. */
  readonly list: (resource: Resource, namespace: string | undefined) => readonly StoredObject[];
  /** Changes after a version. */
  readonly since: (version: number) => readonly StoreEvent[];
  /** The oldest version from which a watch can start. */
  readonly oldest: () => number;
  /** Forgets all changes until now: a watch from an older version is too old. */
  readonly forget: () => void;
  readonly follow: (listener: (event: StoreEvent) => void) => Disposable;
}

/** Changes that are remembered. */
const WINDOW = 2000;

/** An empty store. */
export const createKubeStore = (): KubeStore => {
  const objects = new Map<string, StoredObject>();
  const listeners = new Set<(event: StoreEvent) => void>();
  let version = 100;
  let oldest = version;
  let events: StoreEvent[] = [];
  let created = 0;

  const keyOf = (resource: Resource, namespace: string, name: string): string =>
    `${resource}/${namespace}/${name}`;

  const record = (event: StoreEvent): void => {
    events.push(event);
    if (events.length > 2 * WINDOW) {
      events = events.slice(-WINDOW);
      oldest = (events[0] ?? event).version - 1;
    }
    for (const listener of listeners) listener(event);
  };

  const store = (
    resource: Resource,
    object: StoredObject,
    before: StoredObject | undefined,
  ): StoredObject => {
    version += 1;
    const after = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    objects.set(keyOf(resource, after.metadata.namespace, after.metadata.name), after);
    record({ version, resource, after, ...(before && { before }) });
    return after;
  };

  const find = (resource: Resource, namespace: string, name: string) =>
    objects.get(keyOf(resource, namespace, name));

  const existing = (resource: Resource, namespace: string, name: string): StoredObject => {
    const object = find(resource, namespace, name);
    if (!object) throw new Error(`there is no ${resource}/${name} in ${namespace}`);
    return object;
  };

  return {
    version: () => version,
    skipTo: (next) => {
      version = next;
    },
    put: (resource, { metadata: { name, namespace = "default", uid, ...metadata }, ...rest }) => {
      const before = find(resource, namespace, name);
      created += 1;
      const own =
        uid ?? before?.metadata.uid ?? `00000000-0000-4000-8000-${String(created).padStart(12, "0")}`;
      const object = { metadata: { name, namespace, uid: own, resourceVersion: "", ...metadata }, ...rest };
      return store(resource, object, before);
    },
    edit: (resource, name, change, namespace = "default") => {
      const before = existing(resource, namespace, name);
      return store(resource, change(before), before);
    },
    remove: (resource, name, namespace = "default") => {
      const before = existing(resource, namespace, name);
      objects.delete(keyOf(resource, namespace, name));
      version += 1;
      record({ version, resource, before });
    },
    find,
    list: (resource, namespace) => {
      const prefix = namespace === undefined ? `${resource}/` : `${resource}/${namespace}/`;
      return [...objects]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([left], [right]) => (left < right ? -1 : 1))
        .map(([, object]) => object);
    },
    since: (from) => events.filter((event) => event.version > from),
    oldest: () => oldest,
    forget: () => {
      events = [];
      oldest = version;
    },
    follow: (listener) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
};
