import type { Clock } from "../core/clock.ts";
import { connectKubeApi, type KubeApi, type KubeDoor } from "../kubernetes/api.ts";
import { describeError } from "./command.ts";

/** The cluster that the environment names. */
export interface Cluster extends KubeApi {
  /** Why none can be found, if so; the API server is not asked for anything. */
  readonly problem: () => Promise<string | undefined>;
}

/** Looks for the cluster when it is first needed, which may be after a reload, and again until it is found. */
export const createCluster = (door: KubeDoor, deps: { readonly clock: Clock }): Cluster => {
  let found: Promise<KubeApi> | undefined;
  const find = async (): Promise<KubeApi> => {
    found ??= connectKubeApi(door, deps);
    try {
      return await found;
    } catch (error) {
      found = undefined;
      throw error;
    }
  };
  return {
    problem: async () => {
      try {
        await find();
        return undefined;
      } catch (error) {
        return describeError(error);
      }
    },
    request: async (call) => (await find()).request(call),
  };
};
