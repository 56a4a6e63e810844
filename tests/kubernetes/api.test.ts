import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import type { KubeApi } from "../../src/kubernetes/api.ts";
import { createAuthority } from "../support/certificates.ts";
import { type KubeApiServer, startKubeApi } from "../support/kube-api.ts";
import { rawAnswer, startRawEngine } from "../support/raw-engine.ts";
import { askForPods, connect, connectAs, createFolder, type Folder } from "./connected.ts";

let server: KubeApiServer;
let folder: Folder;
beforeEach(async () => {
  [server, folder] = await Promise.all([startKubeApi(), createFolder()]);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const refusal = async (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => "it worked",
    (error: Error) => `${error.name}: ${error.message}`,
  );

describe("who asks", () => {
  test("is the token of a kubeconfig, of our own name", async () => {
    const api = await connectAs(server, folder, { token: "admin-token" });
    expect(await askForPods(api)).toBe(200);
    expect(server.requests[0]).toMatchObject({ user: "admin" });
    expect(server.requests[0]?.headers["user-agent"]).toMatch(/^vllm-router\/\d/);
  });

  test("is a client certificate, from the kubeconfig or from the files that it names", async () => {
    const { cert, key } = await server.authority.client("alice", ["system:masters"]);
    const data = { "client-certificate-data": base64(cert), "client-key-data": base64(key) };
    expect(await askForPods(await connectAs(server, folder, data))).toBe(200);
    await folder.write("alice.crt", cert);
    await folder.write("alice.key", key);
    // Named from where the kubeconfig is.
    const files = { "client-certificate": "alice.crt", "client-key": "alice.key" };
    expect(await askForPods(await connectAs(server, folder, files))).toBe(200);
  });

  test("is nobody with a certificate of another authority", async () => {
    const { cert, key } = await (await createAuthority("other")).client("mallory", ["system:masters"]);
    const data = { "client-certificate-data": base64(cert), "client-key-data": base64(key) };
    expect(await askForPods(await connectAs(server, folder, data))).toBe(403);
  });

  test("is a pod's service account, whose token is read again for each request", async () => {
    server.tokens.set("first", "admin");
    const own = await folder.write("token", "first\n");
    await folder.write("ca.crt", server.authority.ca);
    const { hostname, port } = new URL(server.url);
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    const api = await connect(env, folder.path);
    expect(await askForPods(api)).toBe(200);
    server.tokens.delete("first");
    server.tokens.set("second", "admin");
    await folder.write("token", "second\n");
    expect(await askForPods(api)).toBe(200);
    expect(server.requests.map(({ headers }) => headers["authorization"])).toEqual([
      "Bearer first",
      "Bearer second",
    ]);
    await Bun.file(own).delete();
    expect(await refusal(askForPods(api))).toMatch(/^KubeError: the credentials .* cannot be read: ENOENT/);
  });

  test("is what a token file says that the kubeconfig names, from where the kubeconfig is", async () => {
    const api = await connectAs(server, folder, { tokenFile: "router.token", token: "of no use" });
    await folder.write("router.token", "admin-token\n");
    expect(await askForPods(api)).toBe(200);
    await folder.write("router.token", "another\n");
    expect(await askForPods(api)).toBe(401);
  });

  test("is what a plugin says, once for all that ask and for as long as it holds", async () => {
    const plugin = await folder.write(
      "plugin",
      `#!/bin/sh
echo run >> ${join(folder.path, "runs")}
read line && exit 9
case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 8;; esac
[ "$1 $WHO" = "get-token me" ] || exit 7
printf '{"kind":"ExecCredential","status":{"token":"%s","expirationTimestamp":"2999-01-01T00:00:00Z"}}' $(cat ${join(folder.path, "next")})
`,
    );
    await chmod(plugin, 0o755);
    await folder.write("next", "admin-token");
    const exec = { command: plugin, args: ["get-token"], env: [{ name: "WHO", value: "me" }] };
    const api = await connectAs(server, folder, { exec });
    expect(await Promise.all([askForPods(api), askForPods(api), askForPods(api)])).toEqual([200, 200, 200]);
    const runs = async () => (await Bun.file(join(folder.path, "runs")).text()).trim().split("\n").length;
    expect(await runs()).toBe(1);

    server.tokens.delete("admin-token");
    server.tokens.set("rotated", "admin");
    await folder.write("next", "rotated");
    expect(await askForPods(api)).toBe(200);
    expect(await runs()).toBe(2);
  });

  test("is not known where a plugin fails, and its own words say why; what it printed is not told", async () => {
    const plugin = await folder.write("plugin", "#!/bin/sh\necho who are you >&2\nexit 3\n");
    await chmod(plugin, 0o755);
    const exec = { command: plugin, installHint: "install it" };
    const api = await connectAs(server, folder, { exec });
    expect(await refusal(askForPods(api))).toEndWith("failed: who are you; install it");
    await folder.write("plugin", "#!/bin/sh\necho secret-token\n");
    const message = await refusal(askForPods(api));
    expect(message).toEndWith("failed: it printed no JSON; install it");
    const missing = await connectAs(server, folder, { exec: { command: "no-such-plugin" } });
    expect(await refusal(askForPods(missing))).toMatch(/plugin no-such-plugin of the kubeconfig failed: /);
  });
});

describe("401", () => {
  const kubeconfig = async (token: string): Promise<KubeApi> => connectAs(server, folder, { token });

  test("reads the kubeconfig again, once", async () => {
    const api = await kubeconfig("old");
    await folder.write("config", server.kubeconfig({ token: "admin-token" }));
    expect(await askForPods(api)).toBe(200);
    server.tokens.clear();
    const before = server.requests.length;
    expect(await askForPods(api)).toBe(401);
    expect(server.requests.length - before).toBe(2);
  });

  test("is the answer where the kubeconfig has become unreadable, and what there was stays", async () => {
    const api = await kubeconfig("old");
    await folder.write("config", "{");
    expect(await askForPods(api)).toBe(401);
    server.tokens.set("old", "admin");
    expect(await askForPods(api)).toBe(200);
  });
});

describe("the server", () => {
  const connectTo = async (cluster: object): Promise<KubeApi> => {
    const path = await folder.write("config", server.kubeconfig({ token: "admin-token" }, cluster));
    return connect({ KUBECONFIG: path });
  };

  test("is refused where another authority has signed its certificate", async () => {
    const { ca } = await createAuthority("other");
    const api = await connectTo({ "certificate-authority-data": base64(ca) });
    expect(await refusal(askForPods(api))).toBe(
      `KubeError: cannot reach the Kubernetes API at ${server.url}: SELF_SIGNED_CERT_IN_CHAIN, its certificate is not signed by the certificate-authority that is configured`,
    );
    expect(server.requests).toEqual([]);
  });

  test("is refused without an authority: the well-known ones do not know it", async () => {
    const api = await connectTo({ "certificate-authority-data": undefined });
    expect(await refusal(askForPods(api))).toMatch(/not signed by the certificate-authority/);
  });

  test("is taken unseen with insecure-skip-tls-verify, and only then", async () => {
    const { ca } = await createAuthority("other");
    const api = await connectTo({
      "certificate-authority-data": base64(ca),
      "insecure-skip-tls-verify": true,
    });
    expect(await askForPods(api)).toBe(200);
  });

  test("may have another name than its address, with tls-server-name", async () => {
    await using named = await startKubeApi({ names: ["kubernetes.default.svc"] });
    const write = async (cluster: object) =>
      connect({
        KUBECONFIG: await folder.write("config", named.kubeconfig({ token: "admin-token" }, cluster)),
      });
    expect(await refusal(askForPods(await write({})))).toMatch(
      /ERR_TLS_CERT_ALTNAME_INVALID, its certificate is for another name/,
    );
    expect(await askForPods(await write({ "tls-server-name": "kubernetes.default.svc" }))).toBe(200);
  });

  test("that is not there is named", async () => {
    const api = await connectTo({});
    await server.die();
    expect(await refusal(askForPods(api))).toBe(
      `KubeError: cannot reach the Kubernetes API at ${server.url}: ECONNREFUSED`,
    );
  });

  test("is reached past the proxies of the environment, and through the one that the kubeconfig names", async () => {
    await using trap = await startRawEngine((socket) => socket.write(rawAnswer("", {}, "403 Forbidden")));
    const api = await connectTo({ "proxy-url": trap.url });
    expect(await refusal(askForPods(api))).toMatch(/cannot reach/);
    expect(trap.requests[0]?.head).toStartWith(`CONNECT ${new URL(server.url).host}`);
  });
});

describe("the configuration", () => {
  test("is missing: what would be right is said", async () => {
    expect(await refusal(connect({ HOME: folder.path }))).toMatch(
      /no Kubernetes cluster is configured: in a pod .* elsewhere KUBECONFIG must name a kubeconfig/,
    );
  });

  test("that cannot be read is named", async () => {
    expect(await refusal(connect({ KUBECONFIG: "/no/such/file" }))).toMatch(
      /^KubeError: the kubeconfig cannot be used: ENOENT.*\/no\/such\/file/,
    );
  });

  test("with an auth-provider of old says what takes its place", async () => {
    const users = { "auth-provider": { name: "oidc", config: { "id-token": "secret" } } };
    expect(await refusal(connectAs(server, folder, users))).toBe(
      "KubeError: the kubeconfig's user test has the auth-provider oidc, which is not supported: exec with a credential plugin takes its place",
    );
  });

  test("without a context says how to set one", async () => {
    const path = await folder.write("config", JSON.stringify({ apiVersion: "v1", kind: "Config" }));
    expect(await refusal(connect({ KUBECONFIG: path }))).toMatch(
      /names no cluster.*kubectl config use-context/,
    );
  });

  test("is that of several files, the first of which says the context; and of ~/.kube/config", async () => {
    const { users, clusters, contexts, ...rest } = JSON.parse(
      server.kubeconfig({ token: "admin-token" }),
    ) as Record<string, unknown>;
    const first = await folder.write("first", JSON.stringify({ ...rest, clusters, contexts }));
    const second = await folder.write("second", JSON.stringify({ users, "current-context": "other" }));
    expect(await askForPods(await connect({ KUBECONFIG: `${first}:${second}` }))).toBe(200);
    await Bun.write(join(folder.path, ".kube/config"), server.kubeconfig({ token: "admin-token" }));
    expect(await askForPods(await connect({ HOME: folder.path }))).toBe(200);
  });
});

test("a patch goes out with its type and its body", async () => {
  server.store.put("pods", { metadata: { name: "a", labels: { app: "vllm" } } });
  const api = await connectAs(server, folder, { token: "admin-token" });
  const { signal } = new AbortController();
  const answer = await api.request({
    method: "PATCH",
    path: "/api/v1/namespaces/default/pods/a",
    body: {
      contentType: "application/merge-patch+json",
      json: { metadata: { labels: { sleeping: "true" } } },
    },
    signal,
  });
  expect(await answer.json()).toMatchObject({ metadata: { labels: { app: "vllm", sleeping: "true" } } });
});

test("requests share a connection", async () => {
  const api = await connectAs(server, folder, { token: "admin-token" });
  for (let nth = 0; nth < 200; nth += 1) await askForPods(api);
  expect(server.accepted()).toBe(1);
});
