import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Cluster, User } from "@kubernetes/client-node/dist/config_types.js";
import { KubeError } from "./kube-error.ts";

/** A cluster, and who one is there. */
export interface KubeTarget {
  readonly cluster: Cluster;
  readonly user: User & { tokenFile?: string };
}

interface Kubeconfig {
  readonly clusters?: unknown;
  readonly contexts?: unknown;
  readonly users?: readonly { readonly name?: string; readonly user?: { readonly tokenFile?: string } }[];
  readonly "current-context"?: string;
}

/** The part of client-node that knows the format; its KubeConfig would load transports into every start. */
const loadFormat = async () => {
  const [{ parse }, format] = await Promise.all([
    import("yaml"),
    import("@kubernetes/client-node/dist/config_types.js"),
  ]);
  return { parse, ...format };
};

const readOne = async (path: string) => {
  const { parse, newClusters, newContexts, newUsers } = await loadFormat();
  const config = (parse(await readFile(path, "utf8")) ?? {}) as Kubeconfig;
  const folder = dirname(path);
  const clusters = newClusters(config.clusters);
  for (const cluster of clusters) if (cluster.caFile) cluster.caFile = resolve(folder, cluster.caFile);
  const users: KubeTarget["user"][] = newUsers(config.users);
  for (const user of users) {
    if (user.certFile) user.certFile = resolve(folder, user.certFile);
    if (user.keyFile) user.keyFile = resolve(folder, user.keyFile);
    // The one field that client-node drops.
    const tokenFile = config.users?.find(({ name }) => name === user.name)?.user?.tokenFile;
    if (tokenFile) user.tokenFile = resolve(folder, tokenFile);
  }
  return { context: config["current-context"], contexts: newContexts(config.contexts), clusters, users };
};

/** Reads kubeconfigs as kubectl merges them: where several name a thing, the first one counts. */
export const readKubeconfigs = async (paths: readonly string[]): Promise<KubeTarget> => {
  const configs = await Promise.all(paths.map(readOne));
  const current = configs.find(({ context }) => context)?.context;
  const context = configs.flatMap(({ contexts }) => contexts).find(({ name }) => name === current);
  const cluster = configs.flatMap(({ clusters }) => clusters).find(({ name }) => name === context?.cluster);
  if (!cluster) {
    throw new KubeError(
      `the kubeconfig names no cluster: its current-context is ${JSON.stringify(current ?? "")}, kubectl config use-context sets it`,
    );
  }
  const user = configs.flatMap(({ users }) => users).find(({ name }) => name === context?.user);
  return { cluster, user: user ?? { name: "nobody" } };
};
