import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { delimiter, join } from "node:path";
import type { Clock } from "../core/clock.ts";
import type { KubeTls } from "../core/kube-fetch.ts";
import type { RunProgram } from "../core/run-program.ts";
import { createExecPlugin, type ExecConfig } from "./exec-plugin.ts";
import { KubeError } from "./kube-error.ts";
import { type KubeTarget, readKubeconfigs } from "./kubeconfig.ts";

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
const targetOfPod = (folder: string, env: AccessOptions["env"]): KubeTarget => {
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = env["KUBERNETES_SERVICE_PORT"] ?? "443";
  return {
    cluster: {
      name: "pod",
      server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
      caFile: join(folder, "ca.crt"),
      skipTLSVerify: false,
    },
    user: { name: "pod", tokenFile: join(folder, "token") },
  };
};

/** KUBECONFIG, else the pod's service account, else `~/.kube/config`. */
const findTarget = async ({ env, serviceAccount = SERVICE_ACCOUNT }: AccessOptions): Promise<KubeTarget> => {
  const named = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  if (named.length > 0) return readKubeconfigs(named);
  if (env["KUBERNETES_SERVICE_HOST"] !== undefined && existsSync(join(serviceAccount, "token"))) {
    return targetOfPod(serviceAccount, env);
  }
  const home = env["HOME"] ?? env["USERPROFILE"];
  const own = home === undefined ? undefined : join(home, ".kube", "config");
  if (own !== undefined && existsSync(own)) return readKubeconfigs([own]);
  throw new KubeError(
    "no Kubernetes cluster is configured: in a pod a service account token must be mounted " +
      "(automountServiceAccountToken), elsewhere KUBECONFIG must name a kubeconfig",
  );
};

const decode = (base64: string): string => Buffer.from(base64, "base64").toString("utf8");

/** PEM from the kubeconfig itself or from the file that it names. */
const pemOf = async (data: string | undefined, file: string | undefined): Promise<string | undefined> =>
  data ? decode(data) : file ? readFile(file, "utf8") : undefined;

/** How a user proves who it is, beside certificates and plugins. */
const authorizationOf = async ({
  tokenFile,
  token,
  username,
  password,
}: KubeTarget["user"]): Promise<string | undefined> => {
  if (tokenFile !== undefined) return `Bearer ${(await readFile(tokenFile, "utf8")).trim()}`;
  if (token) return `Bearer ${token.trim()}`;
  if (!username) return undefined;
  return `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`;
};

/** Reads the configuration and gives what it says; throws a KubeError that names what is missing. */
export const loadAccess = async (
  options: AccessOptions,
  { clock }: { readonly clock: Clock },
): Promise<Access> => {
  const { cluster, user } = await findTarget(options).catch((cause: unknown) => {
    if (cause instanceof KubeError) throw cause;
    throw new KubeError(`the kubeconfig cannot be used: ${(cause as Error).message}`, { cause });
  });
  if (user.authProvider) {
    const { name } = user.authProvider as { readonly name?: string };
    throw new KubeError(
      `the kubeconfig's user ${user.name} has the auth-provider ${name}, which is not supported: exec with a credential plugin takes its place`,
    );
  }
  const askPlugin = user.exec
    ? createExecPlugin(user.exec as ExecConfig, { run: options.run, clock, environment: options.env })
    : undefined;

  const read = async (): Promise<Credentials> => {
    const plugin = await askPlugin?.();
    const ca = await pemOf(cluster.caData, cluster.caFile);
    const cert = plugin?.cert ?? (await pemOf(user.certData, user.certFile));
    const key = plugin?.key ?? (await pemOf(user.keyData, user.keyFile));
    const authorization =
      plugin?.token === undefined ? await authorizationOf(user) : `Bearer ${plugin.token}`;
    return {
      headers: {
        ...(authorization !== undefined && { authorization }),
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
