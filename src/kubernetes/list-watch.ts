import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { KubeApi } from "./api.ts";
import { createDeadline } from "./deadline.ts";
import { KubeError, kubeErrorOf } from "./kube-error.ts";
import { readLines } from "./lines.ts";
import { readList } from "./list.ts";
import { parseWatchEvent } from "./watch-event.ts";

/** What every object of Kubernetes has, as far as anybody here asks. */
export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    /** RFC 3339; there from the moment of the deletion on, while the object still is. */
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

/** What has become known of the objects that are followed. */
export type Change<T> =
  /** The truth as a whole, deletions included; after every list. */
  | { readonly type: "replaced"; readonly objects: readonly T[] }
  /** New, changed, or newly selected. */
  | { readonly type: "changed"; readonly object: T }
  /** Gone, or no longer selected; the object is as it was before. */
  | { readonly type: "deleted"; readonly object: T };

/** Follows objects until it is disposed. */
export interface ListWatch extends AsyncDisposable {
  readonly status: () => {
    /** Whether there has been a list. */
    readonly isSynced: boolean;
    /** When the server last said anything, in monotonic milliseconds. */
    readonly lastContactAt: number | undefined;
    /** What keeps it from following now. */
    readonly error?: string;
  };
}

/** What is followed, and who is told of it. */
export interface ListWatchOptions<T> {
  /** What is followed, for log lines: `pods in namespace default`. */
  readonly what: string;
  readonly path: string;
  readonly labelSelector: string;
  /** Longest life of a watch; 0 leaves it to the server. */
  readonly timeoutSeconds: number;
  /** Undefined for what is no object of this kind: a list goes on without it, a watch starts over. */
  readonly parse: (value: unknown) => T | undefined;
  readonly onChange: (change: Change<T>) => void;
}

interface ListWatchDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  /** From 0, below 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Told of every attempt that failed. */
  readonly onFailure?: ((error: Error) => void) | undefined;
}

/** Lists cost the server much: one begins at the earliest so long after the one before. */
const LIST_EVERY_MS = 10_000;
const FIRST_DELAY_MS = 1000;
/** Short enough that what fails again is followed within 30 s of the server's return. */
const MAX_DELAY_MS = 25_000;
/** A server that wants to be left alone for longer is asked again nevertheless. */
const MAX_RETRY_AFTER_MS = 120_000;
/** Time for the head of the answer to a watch. */
const HEAD_MS = 20_000;
/**
 * A watch that says nothing for so long is opened again: its peer may be gone without a word. Bookmarks come once
 * a minute where anything changes, so that it is only the watch of a quiet cluster that this ends.
 */
const SILENCE_MS = 90_000;
/** A watch that has lived for so long has worked, even if nothing happened. */
const WORKED_MS = 5000;
/** An object has at most 1.5 MiB in etcd, somewhat more as JSON. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;

/**
 * Lists objects, then follows them by a watch from the version of the list, for ever. A watch that ends or is cut
 * goes on from the last version that was seen; where a watch cannot be opened, or misses something, there is
 * another list. So nothing that happened while nobody looked is missed, and who may not watch still learns by
 * lists.
 */
export const createListWatch = <T extends KubeObject>(
  { what, path, labelSelector, timeoutSeconds, parse, onChange }: ListWatchOptions<T>,
  { api, clock, random, log, onFailure }: ListWatchDeps,
): ListWatch => {
  const stop = new AbortController();
  /** Undefined: a list comes next. */
  let version: string | undefined;
  let isSynced = false;
  let lastContactAt: number | undefined;
  let error: string | undefined;
  let failures = 0;
  let nextListAt = clock.monotonic();

  const pause = async (ms: number): Promise<void> => {
    if (ms <= 0 || stop.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    using _timer = clock.after(ms, wake);
    stop.signal.addEventListener("abort", wake);
    await promise;
    stop.signal.removeEventListener("abort", wake);
  };

  const list = async (): Promise<void> => {
    await pause(nextListAt - clock.monotonic());
    if (stop.signal.aborted) return;
    const startedAt = clock.monotonic();
    const { resourceVersion, objects } = await readList(
      { path, labelSelector, parse },
      { api, clock, outer: stop.signal },
    );
    nextListAt = startedAt + LIST_EVERY_MS * (1 + random() / 10);
    lastContactAt = clock.monotonic();
    isSynced = true;
    version = resourceVersion;
    onChange({ type: "replaced", objects });
  };

  /** Throws where the list has to be made anew. */
  const take = (line: string): void => {
    const event = parseWatchEvent(line);
    if (event.type === "failed") {
      throw new KubeError(`a watch of ${what} failed: ${event.message}`, { status: event.status });
    }
    if (event.type !== "bookmark") {
      const object = parse(event.object);
      if (!object) throw new KubeError(`a watch of ${what} sent something else`);
      onChange({ type: event.type, object });
    }
    version = event.resourceVersion;
  };

  /** Resolves when the watch has ended in a way after which it can go on, to whether it may do so at once. */
  const watch = async (from: string): Promise<boolean> => {
    using deadline = createDeadline(
      { ms: HEAD_MS, why: `no answer in ${HEAD_MS / 1000} s`, outer: stop.signal },
      clock,
    );
    const query = {
      labelSelector,
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: from,
      ...(timeoutSeconds > 0 && { timeoutSeconds: String(timeoutSeconds) }),
    };
    const response = await api.request({ method: "GET", path, query, signal: deadline.signal });
    if (response.status !== 200 || !response.body) throw await kubeErrorOf(response, "watch", path);
    opened();
    const openedAt = clock.monotonic();
    let isUnderstood = true;
    let isCut = false;
    try {
      deadline.extend(SILENCE_MS);
      for await (const line of readLines(response.body, MAX_LINE_BYTES)) {
        deadline.extend(SILENCE_MS);
        lastContactAt = clock.monotonic();
        isUnderstood = false;
        take(line);
        isUnderstood = true;
      }
    } catch (cause) {
      if (!isUnderstood || cause instanceof KubeError) throw cause;
      isCut = !deadline.isOver();
      if (!stop.signal.aborted) log.debug(`Kubernetes: a watch of ${what} was cut: ${String(cause)}`);
    }
    const hasWorked = version !== from || clock.monotonic() - openedAt >= WORKED_MS;
    if (hasWorked) failures = 0;
    return hasWorked && !isCut;
  };

  const opened = (): void => {
    lastContactAt = clock.monotonic();
    if (error !== undefined) log.info(`Kubernetes: ${what} can be followed again`);
    error = undefined;
  };

  const failed = (failure: Error): void => {
    onFailure?.(failure);
    if (failure.message === error) return;
    error = failure.message;
    log.error(`Kubernetes: ${what} cannot be followed, what is known of them stays: ${failure.message}`);
  };

  /** Grows from 1 s with each failure in a row; up to half of it is left out at random. */
  const backOffMs = (): number => {
    const ms = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
    failures += 1;
    return ms * (1 - random() / 2);
  };

  const follow = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        if (version === undefined) await list();
        if (version === undefined) continue;
        if (!(await watch(version))) await pause(backOffMs());
      } catch (cause) {
        if (stop.signal.aborted) return;
        const failure = cause instanceof Error ? cause : new Error(String(cause));
        const { status, retryAfterMs = 0 } = failure instanceof KubeError ? failure : {};
        // Who is told to wait has missed nothing yet.
        if (status !== 429) version = undefined;
        if (status !== 410) failed(failure);
        await pause(Math.max(backOffMs(), Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)));
      }
    }
  };

  const following = follow();
  return {
    status: () => ({ isSynced, lastContactAt, ...(error !== undefined && { error }) }),
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("no longer followed"));
      await following;
    },
  };
};
