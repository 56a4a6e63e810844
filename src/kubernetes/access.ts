import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { delimiter, dirname, join, resolve } from "node:path";
import type { KubeConfig, User } from "@kubernetes/client-node";
import type { Clock } from "../core/clock.ts";
import type { KubeTls } from "../core/kube-fetch.ts";
import type { RunProgram } from "../core/run-program.ts";
import { createExecPlugin, type ExecConfig } from "./exec-plugin.ts";
import { KubeError } from "./kube-error.ts";

/** What proves who asks, and what proves the server; read anew for each request. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: KubeTls;
}

/** Where the API server is, and how to be someone there. */
export interface Access {
  /** Without a slash at its end. */
  readonly server: string;
  readonly proxy: string | undefined;
  readonly credentials: () => Promise<Credentials>;
}

interface AccessOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly serviceAccount?: string;
  readonly run: RunProgram;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** A pod's own cluster, as client-go finds it. */
const loadFromPod = (config: KubeConfig, folder: string, env: AccessOptions["env"]): void => {
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = env["KUBERNETES_SERVICE_PORT"] ?? "443";
  config.loadFromClusterAndUser(
    {
      name: "pod",
      server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
      caFile: join(folder, "ca.crt"),
      skipTLSVerify: false,
    },
    { name: "pod", authProvider: { name: "tokenFile", config: { tokenFile: join(folder, "token") } } },
  );
};

interface NamedUser {
  readonly name?: string;
  readonly user?: { readonly tokenFile?: string };
}

/** A kubeconfig; `tokenFile` of its users, which client-node does not know, becomes the token file of a pod. */
const loadFromFile = async (config: KubeConfig, path: string): Promise<void> => {
  config.loadFromFile(path);
  const { parse } = await import("yaml");
  const { users } = parse(await readFile(path, "utf8")) as { readonly users?: readonly NamedUser[] };
  const fileOf = new Map(users?.map(({ name, user }) => [name, user?.tokenFile]));
  config.users = config.users.map((user) => {
    const file = fileOf.get(user.name);
    if (file === undefined) return user;
    const tokenFile = resolve(dirname(path), file);
    return { ...user, authProvider: { name: "tokenFile", config: { tokenFile } } };
  });
};

/** KUBECONFIG, else the pod's service account, else `~/.kube/config`. */
const loadConfig = async ({ env, serviceAccount = SERVICE_ACCOUNT }: AccessOptions): Promise<KubeConfig> => {
  // Loaded only now: it is large, and most routers have no cluster. Its index would add what nobody here needs.
  const { KubeConfig: Config } = await import("@kubernetes/client-node/dist/config.js");
  const config = new Config();
  const named = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  const home = env["HOME"] ?? env["USERPROFILE"];
  const own = home === undefined ? undefined : join(home, ".kube", "config");
  if (named.length > 0) {
    for (const path of named) {
      const part = new Config();
      await loadFromFile(part, path);
      config.mergeConfig(part, config.getCurrentContext() !== undefined);
    }
  } else if (env["KUBERNETES_SERVICE_HOST"] !== undefined && existsSync(join(serviceAccount, "token"))) {
    loadFromPod(config, serviceAccount, env);
  } else if (own !== undefined && existsSync(own)) {
    await loadFromFile(config, own);
  } else {
    throw new KubeError(
      "no Kubernetes cluster is configured: in a pod a service account token must be mounted " +
        "(automountServiceAccountToken), elsewhere KUBECONFIG must name a kubeconfig",
    );
  }
  return config;
};

const decode = (base64: string): string => Buffer.from(base64, "base64").toString("utf8");

/** PEM from the kubeconfig itself or from the file that it names. */
const pemOf = async (data: string | undefined, file: string | undefined): Promise<string | undefined> =>
  data ? decode(data) : file ? readFile(file, "utf8") : undefined;

/** How a user proves who it is, beside certificates. */
const createAuthorization = (
  config: KubeConfig,
  user: User,
): (() => Promise<Readonly<Record<string, string>>>) => {
  const { token, username, password, authProvider } = user as User & {
    readonly authProvider?: { readonly config?: { readonly tokenFile?: string } };
  };
  const tokenFile = authProvider?.config?.tokenFile;
  if (tokenFile !== undefined) {
    return async () => ({ authorization: `Bearer ${(await readFile(tokenFile, "utf8")).trim()}` });
  }
  if (token) return async () => ({ authorization: `Bearer ${token.trim()}` });
  if (username) {
    const basic = Buffer.from(`${username}:${password ?? ""}`).toString("base64");
    return async () => ({ authorization: `Basic ${basic}` });
  }
  if (!authProvider) return async () => ({});
  return async () => {
    const options: Parameters<KubeConfig["applyToHTTPSOptions"]>[0] = {};
    await config.applyToHTTPSOptions(options);
    const { headers } = options as { readonly headers?: Readonly<Record<string, string>> };
    return headers ?? {};
  };
};

/** Reads the configuration and gives what it says; throws a KubeError that names what is missing. */
export const loadAccess = async (
  options: AccessOptions,
  { clock }: { readonly clock: Clock },
): Promise<Access> => {
  const config = await loadConfig(options).catch((cause: unknown) => {
    if (cause instanceof KubeError) throw cause;
    throw new KubeError(`the kubeconfig cannot be used: ${(cause as Error).message}`, { cause });
  });
  const context = config.getCurrentContext();
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    throw new KubeError(
      `the kubeconfig names no cluster: its current-context is ${JSON.stringify(context ?? "")}, kubectl config use-context sets it`,
    );
  }
  const user: User = config.getCurrentUser() ?? { name: "nobody" };
  const authorization = createAuthorization(config, user);
  const askPlugin = user.exec
    ? createExecPlugin(user.exec as ExecConfig, { run: options.run, clock, environment: options.env })
    : undefined;

  const read = async (): Promise<Credentials> => {
    const plugin = await askPlugin?.();
    const ca = await pemOf(cluster.caData, cluster.caFile);
    const cert = plugin?.cert ?? (await pemOf(user.certData, user.certFile));
    const key = plugin?.key ?? (await pemOf(user.keyData, user.keyFile));
    return {
      headers: {
        ...(await authorization()),
        ...(plugin?.token !== undefined && { authorization: `Bearer ${plugin.token}` }),
        ...(user.impersonateUser && { "impersonate-user": user.impersonateUser }),
      },
      tls: {
        rejectUnauthorized: !cluster.skipTLSVerify,
        ...(ca !== undefined && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(cluster.tlsServerName && { serverName: cluster.tlsServerName }),
      },
    };
  };

  return {
    server: cluster.server.replace(/\/+$/, ""),
    proxy: cluster.proxyUrl,
    credentials: async () =>
      read().catch((cause: unknown) => {
        if (cause instanceof KubeError) throw cause;
        throw new KubeError(`the credentials for Kubernetes cannot be read: ${(cause as Error).message}`, {
          cause,
        });
      }),
  };
};
