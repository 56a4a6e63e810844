import type { Clock } from "../core/clock.ts";
import type { KubeApi } from "./api.ts";
import { createDeadline } from "./deadline.ts";
import { KubeError, kubeErrorOf } from "./kube-error.ts";

/** Objects of one page. Parsing one of 500, which kubectl asks for, holds the event loop twice as long. */
const PAGE = 250;
/** Time for one page. */
const PAGE_MS = 20_000;

/** A list as a whole, at one version of the cluster. */
export interface KubeList<T> {
  readonly resourceVersion: string;
  readonly objects: readonly T[];
}

interface ListOptions<T> {
  readonly path: string;
  readonly labelSelector: string;
  /** Undefined leaves the item out. */
  readonly parse: (item: unknown) => T | undefined;
}

interface ListDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  /** Ends the list. */
  readonly outer: AbortSignal;
}

interface Page {
  readonly resourceVersion: string;
  readonly continued?: string;
  readonly items: readonly unknown[];
}

const parsePage = (value: unknown): Page | undefined => {
  const { metadata, items } = (value ?? {}) as {
    readonly metadata?: { readonly resourceVersion?: unknown; readonly continue?: unknown };
    readonly items?: unknown;
  };
  const { resourceVersion, continue: continued } = metadata ?? {};
  if (typeof resourceVersion !== "string" || resourceVersion === "") return undefined;
  // A list of nothing may say null.
  if (!Array.isArray(items ?? [])) return undefined;
  return {
    resourceVersion,
    items: (items ?? []) as readonly unknown[],
    ...(typeof continued === "string" && continued !== "" && { continued }),
  };
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/**
 * Reads all pages of a list; each is parsed by itself, so that a long list neither holds the event loop nor is
 * held as a whole. A `continue` that has expired is a KubeError with the status 410.
 */
export const readList = async <T>(
  { path, labelSelector, parse }: ListOptions<T>,
  { api, clock, outer }: ListDeps,
): Promise<KubeList<T>> => {
  const readPage = async (continued: string | undefined): Promise<Page> => {
    using deadline = createDeadline({ ms: PAGE_MS, why: `no answer in ${PAGE_MS / 1000} s`, outer }, clock);
    const query = {
      labelSelector,
      limit: String(PAGE),
      ...(continued !== undefined && { continue: continued }),
    };
    const response = await api.request({ method: "GET", path, query, signal: deadline.signal });
    if (response.status !== 200) throw await kubeErrorOf(response, "list", path);
    const page = parsePage(parseJson(await response.text()));
    if (!page) throw new KubeError(`the answer to a list of ${path} is no list of Kubernetes`);
    return page;
  };

  const objects: T[] = [];
  for (let continued: string | undefined; ;) {
    const page = await readPage(continued);
    for (const item of page.items) {
      const object = parse(item);
      if (object !== undefined) objects.push(object);
    }
    if (page.continued === undefined) return { resourceVersion: page.resourceVersion, objects };
    continued = page.continued;
  }
};
