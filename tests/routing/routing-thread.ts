import { createPolicy, routingBy } from "../../src/routing/index.ts";
import { joinRouting, type RoutingMemory } from "../../src/routing/shared-routing.ts";
import { candidatesAt, requestWith } from "../support/candidates.ts";
import { singlePlan } from "../support/single-plan.ts";
import { meet, serveThread } from "../support/threads.ts";

/** What a thread routes by policies that it shares. */
export interface RoutingWork {
  readonly memory: RoutingMemory;
  readonly row: number;
  readonly threads: number;
  readonly barrier: Int32Array;
  readonly urls: readonly string[];
  readonly requests: number;
  /** Requests that it leaves under way. */
  readonly left: number;
}

await serveThread(async ({ memory, row, threads, barrier, urls, requests, left }: RoutingWork) => {
  const candidates = candidatesAt(urls);
  const ids = candidates.map(({ endpoint }) => endpoint.id);
  const shared = joinRouting(memory, { row, slotOf: (id) => ids.indexOf(id) });
  const random = (): number => 0.5;
  const [turns, loads] = [
    createPolicy(routingBy("roundrobin"), { random, ...shared }),
    createPolicy(routingBy("cacheaware"), { random, ...shared }),
  ];
  const routed = new Map<string, number>();
  const ends: (() => void)[] = [];
  meet(barrier, threads);
  for (let request = 0; request < requests; request += 1) {
    const { endpoint } = singlePlan(await turns.plan(requestWith(), candidates));
    routed.set(endpoint.url, (routed.get(endpoint.url) ?? 0) + 1);
    const isStream = request % 2 === 0;
    const body = { prompt: `${request % 7}`.repeat(100), stream: isStream };
    const { watcher } = singlePlan(await loads.plan(requestWith({ body, at: request }), candidates));
    watcher?.began();
    ends.push(() => {
      if (isStream) watcher?.streamBegan(1);
      watcher?.ended("done", 2, isStream);
    });
    if (ends.length > 8) ends.shift()?.();
  }
  for (const end of ends.splice(left)) end();
  return routed;
});
