import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectKubeApi, type KubeApi, type KubeDoor } from "../../src/kubernetes/api.ts";
import { kubeFetch, runProgram, systemClock } from "../../src/platform.ts";
import type { KubeApiServer } from "../support/kube-api.ts";

/** The folder of a test's own files. */
export interface Folder extends AsyncDisposable {
  readonly path: string;
  /** Writes a file and gives its path. */
  readonly write: (name: string, text: string) => Promise<string>;
}

/** A new folder, removed when it is disposed. */
export const createFolder = async (): Promise<Folder> => {
  const path = await mkdtemp(join(tmpdir(), "kubernetes-"));
  return {
    path,
    write: async (name, text) => {
      await writeFile(join(path, name), text);
      return join(path, name);
    },
    [Symbol.asyncDispose]: async () => rm(path, { recursive: true, force: true }),
  };
};

/** Connects through the real door with an environment of the test's own. */
export const connect = async (env: KubeDoor["env"], serviceAccount = "/nowhere"): Promise<KubeApi> =>
  connectKubeApi({ fetch: kubeFetch, run: runProgram, env, serviceAccount }, { clock: systemClock });

/** Connects as the user given, `users[].user` of a kubeconfig. */
export const connectAs = async (
  server: KubeApiServer,
  folder: Folder,
  user: Readonly<Record<string, unknown>>,
): Promise<KubeApi> => {
  const path = await folder.write("config", server.kubeconfig(user));
  return connect({ KUBECONFIG: path, PATH: process.env["PATH"] });
};

/** Lists pods, as the shortest request that needs a right. */
export const askForPods = async (api: KubeApi): Promise<number> => {
  const { signal } = new AbortController();
  const answer = await api.request({ method: "GET", path: "/api/v1/namespaces/default/pods", signal });
  await answer.text();
  return answer.status;
};
