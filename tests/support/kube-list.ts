import { badRequest, expiredContinue, type KubeStatus } from "./kube-status.ts";
import { kinds, type KubeStore, type Resource, type StoredObject } from "./kube-store.ts";

/** What a list is asked for. */
export interface ListRequest {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly selects: (object: StoredObject) => boolean;
  readonly hasSelector: boolean;
  /** 0: all in one page. */
  readonly limit: number;
  readonly continued: string | undefined;
}

interface Token {
  readonly v: "meta.k8s.io/v1";
  readonly rv: number;
  readonly start: string;
}

const tokenOf = (rv: number, start: string): string => {
  const token: Token = { v: "meta.k8s.io/v1", rv, start };
  return Buffer.from(JSON.stringify(token).replaceAll("\0", String.raw`\u0000`)).toString("base64url");
};

const parseToken = (text: string): Token | undefined => {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString()) as Token;
  } catch {
    return undefined;
  }
};

/** Lists in pages, all of the version of the first one. */
export interface KubeLists {
  readonly answer: (request: ListRequest) => string | KubeStatus;
  /** Pages that were begun cannot be gone on with: their version is compacted. */
  readonly compact: () => void;
}

/** Versions whose pages can be gone on with. */
const MAX_SNAPSHOTS = 20;

/** Lists of a store. */
export const createKubeLists = (store: KubeStore): KubeLists => {
  const snapshots = new Map<number, ReadonlyMap<Resource, readonly StoredObject[]>>();
  const texts = new WeakMap<StoredObject, string>();
  const textOf = (object: StoredObject): string => {
    const text = texts.get(object) ?? JSON.stringify(object);
    texts.set(object, text);
    return text;
  };

  const snapshotOf = (version: number): ReadonlyMap<Resource, readonly StoredObject[]> | undefined => {
    if (version !== store.version()) return snapshots.get(version);
    const known = snapshots.get(version);
    if (known) return known;
    const taken = new Map(
      (Object.keys(kinds) as Resource[]).map((resource) => [resource, store.list(resource, undefined)]),
    );
    snapshots.set(version, taken);
    const [oldest] = snapshots.keys();
    if (snapshots.size > MAX_SNAPSHOTS && oldest !== undefined) snapshots.delete(oldest);
    return taken;
  };

  return {
    answer: ({ resource, namespace, selects, hasSelector, limit, continued }) => {
      const token = continued === undefined ? undefined : parseToken(continued);
      if (continued !== undefined && !token) {
        return badRequest(
          String.raw`invalid continue token: continue key is not valid: invalid character '\u009e' looking for beginning of value`,
        );
      }
      const version = token && token.rv > 0 ? token.rv : store.version();
      const snapshot = snapshotOf(version);
      if (!snapshot) return expiredContinue(tokenOf(-1, token?.start ?? ""));
      const keyOf = ({ metadata }: StoredObject): string =>
        namespace === undefined ? `${metadata.namespace}/${metadata.name}` : metadata.name;
      const rest = (snapshot.get(resource) ?? []).filter(
        (object) =>
          (namespace === undefined || object.metadata.namespace === namespace) &&
          keyOf(object) >= (token?.start ?? "") &&
          selects(object),
      );
      const page = limit > 0 ? rest.slice(0, limit) : rest;
      const last = page.at(-1);
      const remaining = rest.length - page.length;
      const metadata = {
        resourceVersion: String(version),
        ...(remaining > 0 && last && { continue: tokenOf(version, `${keyOf(last)}\0`) }),
        ...(remaining > 0 && !hasSelector && { remainingItemCount: remaining }),
      };
      const head = JSON.stringify({ kind: `${kinds[resource]}List`, apiVersion: "v1", metadata });
      return `${head.slice(0, -1)},"items":[${page.map(textOf).join(",")}]}\n`;
    },
    compact: () => {
      snapshots.clear();
      store.skipTo(store.version() + 1);
    },
  };
};
