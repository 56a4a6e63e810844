import type { Clock } from "../../src/core/clock.ts";
import type { HttpStream } from "./kube-http.ts";
import { expiredWatch } from "./kube-status.ts";
import { kinds, type KubeStore, type Resource, type StoredObject, type StoreEvent } from "./kube-store.ts";

/** What a watch is asked for. */
export interface WatchRequest {
  readonly resource: Resource;
  readonly selects: (object: StoredObject) => boolean;
  /** Undefined and 0: what exists comes first, as ADDED. */
  readonly from: number | undefined;
  readonly hasBookmarks: boolean;
  /** 0: for ever. */
  readonly timeoutSeconds: number;
}

/** A watch that is open. */
export interface OpenWatch {
  /** Names the newest version, if anything of the resource has changed since the watch began. */
  readonly bookmark: () => void;
  /** Raw text, in the middle of what is sent. */
  readonly write: (text: string) => void;
  /** Ends the answer as it should end. */
  readonly end: () => void;
  readonly cut: HttpStream["cut"];
  /** Sends nothing any more, and does not say so. */
  readonly freeze: () => void;
}

const BOOKMARK_EVERY_MS = 60_000;
const LAST_BOOKMARK_MS = 2000;

const texts = new WeakMap<StoredObject, string>();

/** An object as it stands alone: with its kind. */
export const textOf = (resource: Resource, object: StoredObject): string => {
  const known = texts.get(object);
  if (known !== undefined) return known;
  const text = JSON.stringify({ kind: kinds[resource], apiVersion: "v1", ...object });
  texts.set(object, text);
  return text;
};

/** The line that a watch with this selector sees; what leaves the selector is deleted, as it was before. */
const lineOf = (
  { resource, version, before, after }: StoreEvent,
  selects: WatchRequest["selects"],
): string | undefined => {
  const was = before !== undefined && selects(before);
  const is = after !== undefined && selects(after);
  if (!is) {
    if (!was) return undefined;
    const gone = { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } };
    return `{"type":"DELETED","object":${textOf(resource, gone)}}\n`;
  }
  return `{"type":"${was ? "MODIFIED" : "ADDED"}","object":${textOf(resource, after)}}\n`;
};

/** Serves one watch until it ends, and calls `onEnd` then; undefined where its version is too old. */
export const openWatch = (
  { resource, selects, from, hasBookmarks, timeoutSeconds }: WatchRequest,
  stream: HttpStream,
  { store, clock, onEnd }: { readonly store: KubeStore; readonly clock: Clock; readonly onEnd: () => void },
): OpenWatch | undefined => {
  using stack = new DisposableStack();
  let isFrozen = false;
  const write = (text: string): void => {
    if (!isFrozen) stream.write(text);
  };
  const tell = (event: StoreEvent): void => {
    if (event.resource !== resource) return;
    changed = event.version;
    const line = lineOf(event, selects);
    if (line !== undefined) write(line);
  };
  /** The newest version at which anything of the resource changed. */
  let changed = 0;
  const bookmark = (): void => {
    if (!hasBookmarks || changed === 0) return;
    const metadata = { resourceVersion: String(changed), creationTimestamp: null };
    const object = {
      kind: kinds[resource],
      apiVersion: "v1",
      metadata,
      ...(resource === "pods" && { spec: { containers: null }, status: {} }),
    };
    write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  };

  if (from !== undefined && from !== 0 && from < store.oldest()) {
    const { body } = expiredWatch(from, store.oldest());
    stream.write(`${JSON.stringify({ type: "ERROR", object: body })}\n`);
    stream.end();
    return undefined;
  }
  if (from === undefined || from === 0) {
    for (const object of store.list(resource, undefined).filter(selects)) {
      write(`{"type":"ADDED","object":${textOf(resource, object)}}\n`);
    }
  } else {
    for (const event of store.since(from)) tell(event);
  }
  stack.use(store.follow(tell));

  const later = new Set<Disposable>();
  const after = (delayMs: number, task: () => void): void => {
    const timer = clock.after(delayMs, () => {
      later.delete(timer);
      task();
    });
    later.add(timer);
  };
  stack.defer(() => {
    for (const timer of later) timer[Symbol.dispose]();
  });
  const repeat = (): void => {
    bookmark();
    after(BOOKMARK_EVERY_MS, repeat);
  };
  after(BOOKMARK_EVERY_MS, repeat);

  const life = stack.move();
  const stop = (): void => {
    if (life.disposed) return;
    life.dispose();
    onEnd();
  };
  const end = (): void => {
    if (life.disposed) return;
    stop();
    if (!isFrozen) stream.end();
  };
  if (timeoutSeconds > 0) {
    after(Math.max(0, timeoutSeconds * 1000 - LAST_BOOKMARK_MS), bookmark);
    after(timeoutSeconds * 1000, end);
  }
  life.use(stream.onClose(stop));
  return {
    bookmark,
    write,
    end,
    cut: (how) => {
      stop();
      stream.cut(how);
    },
    freeze: () => {
      isFrozen = true;
    },
  };
};
