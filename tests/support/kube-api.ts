import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/platform.ts";
import { type Authority, createAuthority, type KeyPair } from "./certificates.ts";
import { type HttpReply, type HttpRequest, startHttpServer } from "./kube-http.ts";
import { createKubeLists } from "./kube-list.ts";
import { applyPatch } from "./kube-patch.ts";
import { parseLabelSelector } from "./kube-selector.ts";
import * as status from "./kube-status.ts";
import {
  createKubeStore,
  isResource,
  kinds,
  type KubeStore,
  type Resource,
  type StoredObject,
} from "./kube-store.ts";
import { type OpenWatch, openWatch, textOf } from "./kube-watch.ts";

/** What a user may do; a rule without a namespace holds in all of them. */
export interface Rule {
  readonly user: string;
  readonly verbs: readonly string[];
  readonly resources: readonly Resource[];
  readonly namespace?: string;
}

/** A request as it came in. */
export interface SeenRequest {
  readonly verb: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly user: string;
  /** Monotonic milliseconds of the server's clock. */
  readonly at: number;
}

/** An API server with a private authority. It answers like the recordings of a real one; a test holds that. */
export interface KubeApiServer extends AsyncDisposable {
  readonly url: string;
  readonly authority: Authority;
  readonly store: KubeStore;
  readonly requests: readonly SeenRequest[];
  /** Tokens, and the user behind each; `admin` may do everything. */
  readonly tokens: Map<string, string>;
  readonly rules: Rule[];
  /** Watches that are open. */
  readonly watches: ReadonlySet<OpenWatch>;
  readonly connections: () => number;
  readonly accepted: () => number;
  /** The next requests of these verbs are answered so, for ever when there is no end to it. */
  readonly refuse: (answer: status.KubeStatus, times: number, verbs?: readonly string[]) => void;
  /** Takes requests and says nothing, until it is told to go on: those that it took stay without an answer. */
  readonly hang: (isHanging: boolean) => void;
  /** Pages that were begun are too old. */
  readonly compact: () => void;
  /** Watches from before now are too old, as after a restart. */
  readonly forget: () => void;
  readonly die: () => Promise<void>;
  readonly start: () => Promise<void>;
  /** A kubeconfig for this server; `user` is the object of `users[].user`. */
  readonly kubeconfig: (user: Readonly<Record<string, unknown>>, cluster?: object) => string;
}

interface KubeApiOptions {
  /** For the life of watches and for bookmarks. */
  readonly clock?: Clock;
  /** Names of the server's certificate. */
  readonly names?: readonly string[];
  /** In place of one that the authority gives. */
  readonly certificate?: KeyPair;
}

const PATH = /^\/api\/v1(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

/** Starts it on a free port of 127.0.0.1, with the token `admin-token`. */
export const startKubeApi = async ({
  clock = systemClock,
  names = ["127.0.0.1", "localhost", "kubernetes.default.svc"],
  certificate,
}: KubeApiOptions = {}): Promise<KubeApiServer> => {
  const authority = await createAuthority();
  const store = createKubeStore();
  const lists = createKubeLists(store);
  const tokens = new Map([["admin-token", "admin"]]);
  const rules: Rule[] = [];
  const requests: SeenRequest[] = [];
  const watches = new Set<OpenWatch>();
  let refusals: { answer: status.KubeStatus; left: number; verbs: readonly string[] | undefined }[] = [];
  let isHanging = false;

  const userOf = ({ headers, subject }: HttpRequest): string | undefined => {
    const given = headers["authorization"];
    if (given !== undefined) return tokens.get(given.replace(/^Bearer /, ""));
    if (subject === undefined) return "system:anonymous";
    return [subject.O].flat().includes("system:masters") ? "admin" : subject.CN;
  };

  const may = ({ user, verb, resource, namespace }: status.Attempt): boolean =>
    user === "admin" ||
    rules.some(
      (rule) =>
        rule.user === user &&
        rule.verbs.includes(verb) &&
        rule.resources.some((name) => name === resource) &&
        (rule.namespace === undefined || rule.namespace === namespace),
    );

  const refuseOnce = (verb: string): status.KubeStatus | undefined => {
    const refusal = refusals.find(({ verbs }) => verbs === undefined || verbs.includes(verb));
    if (!refusal) return undefined;
    refusal.left -= 1;
    refusals = refusals.filter(({ left }) => left > 0);
    return refusal.answer;
  };

  const patch = (resource: Resource, object: StoredObject, request: HttpRequest) => {
    const { name, namespace, resourceVersion } = object.metadata;
    const applied = applyPatch(object, request.headers["content-type"] ?? "", request.body);
    if (!applied) return status.unsupportedMediaType();
    const { patched, version } = applied;
    if (version !== undefined && version !== resourceVersion) return status.conflict(resource, name);
    for (const value of Object.values(patched.metadata.labels ?? {}) as unknown[]) {
      if (typeof value !== "string") return status.unreadablePatch();
      if (!LABEL_VALUE.test(value)) return status.invalidLabel(kinds[resource], name, value);
    }
    if (Bun.deepEquals(patched, object)) return object;
    return store.edit(resource, name, () => patched, namespace);
  };

  const answerList = (attempt: status.Attempt, request: HttpRequest, reply: HttpReply) => {
    const { query } = request;
    const resource = attempt.resource as Resource;
    const selector = query.get("labelSelector") ?? "";
    const matches = parseLabelSelector(selector);
    if (!matches) return status.badRequest("unable to parse requirement: found '=', expected: identifier");
    const name = /^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1];
    const { namespace } = attempt;
    const selects = ({ metadata }: StoredObject): boolean =>
      (namespace === undefined || metadata.namespace === namespace) &&
      (name === undefined || metadata.name === name) &&
      matches(metadata.labels ?? {});
    if (attempt.verb === "list") {
      return lists.answer({
        resource,
        namespace,
        selects,
        hasSelector: selector !== "" || name !== undefined,
        limit: Number(query.get("limit") ?? 0),
        continued: query.get("continue") ?? undefined,
      });
    }
    const version = query.get("resourceVersion") ?? undefined;
    if (version !== undefined && !/^\d*$/.test(version)) return status.badVersion(version);
    const watch: OpenWatch | undefined = openWatch(
      {
        resource,
        selects,
        from: version === undefined ? undefined : Number(version),
        hasBookmarks: query.get("allowWatchBookmarks") === "true",
        timeoutSeconds: Number(query.get("timeoutSeconds") ?? 0),
      },
      reply.open(),
      { store, clock, onEnd: () => watch && watches.delete(watch) },
    );
    if (watch) watches.add(watch);
    return undefined;
  };

  const answer = (request: HttpRequest, reply: HttpReply): void => {
    const { method, path, query } = request;
    const [, namespace, resource = "", name] = PATH.exec(path) ?? [];
    const isWatch = query.get("watch") === "true";
    const read = name === undefined ? (isWatch ? "watch" : "list") : "get";
    const verb = { GET: read, PATCH: "patch" }[method];
    const user = userOf(request);
    requests.push({
      verb: verb ?? method,
      path,
      query: Object.fromEntries(query),
      headers: request.headers,
      user: user ?? "",
      at: clock.monotonic(),
    });
    if (isHanging) return;
    const send = (result: string | StoredObject | status.KubeStatus): void => {
      if (typeof result === "string") reply.send(200, result);
      else if ("code" in result) {
        const { code, body, headers } = result as status.KubeStatus;
        reply.send(code, `${JSON.stringify(body)}\n`, headers);
      } else reply.send(200, `${textOf(resource as Resource, result)}\n`);
    };

    const refused = refuseOnce(verb ?? method);
    if (refused) return send(refused);
    if (user === undefined) return send(status.unauthorized());
    if (!isResource(resource)) return send(status.noSuchResource());
    if (verb === undefined) return send(status.methodNotAllowed());
    const attempt = { user, verb, resource, namespace, name };
    if (!may(attempt)) return send(status.forbidden(attempt));
    if (name === undefined) {
      const result = answerList(attempt, request, reply);
      if (result !== undefined) send(result);
      return;
    }
    const object = store.find(resource, namespace ?? "", name);
    if (!object) return send(status.notFound(resource, name));
    send(verb === "get" ? object : patch(resource, object, request));
  };

  const { cert, key } = certificate ?? (await authority.server(names));
  const server = await startHttpServer({ cert, key, ca: authority.ca }, answer);
  const url = `https://127.0.0.1:${server.port}`;
  return {
    url,
    authority,
    store,
    requests,
    tokens,
    rules,
    watches,
    connections: server.connections,
    accepted: server.accepted,
    refuse: (refusal, times, verbs) => refusals.push({ answer: refusal, left: times, verbs }),
    hang: (next) => {
      isHanging = next;
    },
    compact: lists.compact,
    forget: store.forget,
    die: server.die,
    start: server.start,
    kubeconfig: (user, cluster = {}) =>
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "test",
        contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
        clusters: [
          {
            name: "test",
            cluster: {
              server: url,
              "certificate-authority-data": Buffer.from(authority.ca).toString("base64"),
              ...cluster,
            },
          },
        ],
        users: [{ name: "test", user }],
      }),
    [Symbol.asyncDispose]: server[Symbol.asyncDispose],
  };
};
