import { createFolder } from "../kubernetes/connected.ts";
import { startKubeApi } from "./kube-api.ts";
import { createLivePods, type LivePods } from "./pods.ts";
import { type RunningProcess, startRouterProcess } from "./processes.ts";

/** Loopback addresses for the pods of a test; not every system has more than the first. */
export const ips: readonly string[] = Array.from({ length: 42 }, (_, index) => `127.0.0.${index + 2}`);

/** Whether this system has them all. */
export const hasLoopbacks = process.platform !== "darwin";

/** A cluster in which the routers are this user, with pods at these addresses besides 127.0.0.1. */
export const startCluster = async (user = "admin") => {
  const parts = new AsyncDisposableStack();
  const api = parts.use(await startKubeApi());
  const pods = parts.use(await createLivePods(api.store, ["127.0.0.1", ...ips]));
  api.tokens.set(`${user}-token`, user);
  const { write } = parts.use(await createFolder());
  const kubeconfig = await write("kubeconfig", api.kubeconfig({ token: `${user}-token` }));
  const startRouter = async (...args: readonly string[]): Promise<RunningProcess> =>
    parts.use(
      await startRouterProcess(
        [
          "--service-discovery=k8s",
          "--k8s-label-selector=environment=test",
          `--k8s-port=${pods.port}`,
          ...args,
        ],
        { KUBECONFIG: kubeconfig },
      ),
    );
  return { api, pods, startRouter, write, [Symbol.asyncDispose]: async () => parts.disposeAsync() };
};

/** Ids of the engines that the router knows, sorted. */
export const engineIds = async ({ url }: RunningProcess): Promise<readonly string[]> => {
  const list = (await (await fetch(`${url}/engines`)).json()) as { readonly engine_id: string }[];
  return list.map(({ engine_id: id }) => id).sort();
};

/** Resolves when the router knows what is true, to the milliseconds that it took. */
export const agree = async (router: RunningProcess, pods: LivePods, withinMs = 30_000): Promise<number> => {
  const startedAt = performance.now();
  for (;;) {
    const known = await engineIds(router);
    const took = performance.now() - startedAt;
    if (Bun.deepEquals(known, pods.truth())) return took;
    if (took > withinMs)
      throw new Error(`after ${took} ms ${known.length} of ${pods.truth().length} engines`);
    await Bun.sleep(20);
  }
};

/** Looks all the time; `most` is the longest time after a change for which the router did not know what was true. */
export const watchAgreement = (router: RunningProcess, pods: LivePods) => {
  const stop = new AbortController();
  let most = 0;
  const look = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const known = await engineIds(router);
      if (!Bun.deepEquals(known, pods.truth())) most = Math.max(most, Date.now() - pods.changedAt());
      await Bun.sleep(10);
    }
  };
  const looking = look();
  return {
    most: () => most,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await looking;
    },
  };
};

/** One chat: nothing where it is answered as a whole, otherwise what is wrong. */
export const ask = async ({ url }: RunningProcess, isStream: boolean): Promise<string> => {
  const messages = [{ role: "user", content: "Hello" }];
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "m", messages, stream: isStream, max_tokens: 4 }),
  });
  const text = await answer.text();
  const isWhole = isStream ? text.trimEnd().endsWith("data: [DONE]") : text.endsWith("}");
  return answer.status === 200 && isWhole ? "" : `${answer.status} ${text.slice(0, 300)}`;
};

/** Clients that ask one thing after the other, half of them for streams. */
export const startLoad = (router: RunningProcess, clients: number) => {
  const stop = new AbortController();
  const failures: string[] = [];
  let count = 0;
  const work = async (nth: number): Promise<void> => {
    while (!stop.signal.aborted) {
      const failure = await ask(router, nth % 2 === 0).catch((error: unknown) => String(error));
      count += 1;
      if (failure !== "") failures.push(failure);
      await Bun.sleep(5);
    }
  };
  const working = Promise.all(Array.from({ length: clients }, async (_, nth) => work(nth)));
  return {
    failures,
    count: () => count,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await working;
    },
  };
};
