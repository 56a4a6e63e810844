import type { Row } from "./row.ts";

/** What happens around the router. */
export const surroundingFaults: Readonly<Record<string, Row>> = {
  P1: {
    what: "the configuration is half-written, wrong, empty or a link",
    tests: [
      "reload.test.ts: that is still being written is waited for",
      "reload.test.ts: of the link that a ConfigMap is mounted by is one",
      "reload.test.ts: changes nothing; each of its problems is logged once",
    ],
  },
  P2: {
    what: "the configuration takes out an engine with open streams",
    tests: [
      "e2e/reload.test.ts: is changed while a stream runs",
      "reload.test.ts: ends the requests that are under way in it",
    ],
  },
  P3: {
    what: "a watch ends, or is too old",
    tests: [
      "kubernetes/list-watch.test.ts: because its version is too old is followed by a list",
      "kubernetes/list-watch.test.ts: goes on from the version of its last bookmark",
    ],
  },
  P4: {
    what: "the API is down, busy, hanging, or refuses a token",
    tests: [
      "kubernetes/list-watch-refused.test.ts: that hangs is given up, and asked for again",
      "kubernetes/list-watch-refused.test.ts: that asks for time gets it",
      "kubernetes/list-watch-refused.test.ts: that gives another token is asked with it",
    ],
  },
  P5: {
    what: "a list is suddenly empty",
    tests: [
      "discovery/engine-set-doubts.test.ts: a list that has suddenly lost more than half of the engines",
      "discovery/kubernetes.test.ts: an empty list at its return takes out nobody who still answers",
    ],
  },
  P6: {
    what: "a pod is deleted, not ready or terminating",
    tests: ["discovery/engine-set.test.ts: an engine leaves at once"],
  },
  P7: {
    what: "an address is used again",
    tests: [
      "discovery/engine-set.test.ts: that another pod takes is asked before it is used",
      "discovery/engine-set.test.ts: that two pods claim belongs to the younger one",
    ],
  },
  P8: {
    what: "a label moves a pod",
    tests: [
      "discovery/engine-set.test.ts: when its object is deleted or no longer selected",
      "e2e/kubernetes-rollout.test.ts: come, flap, sleep, are relabelled and die in two rollouts under load, and no request fails",
    ],
  },
  P9: {
    what: "readiness flaps",
    tests: [
      "discovery/engine-set-doubts.test.ts: comes back at once the first time, and after that only when it has stayed",
    ],
  },
  P10: {
    what: "the process is told to end, idle, with streams, twice",
    tests: [
      "e2e/leave.test.ts: what does not end within its time is told so",
      "e2e/start.test.ts: ends an idle router at once, with 0",
      "cli/process.test.ts: Ctrl-C that a launcher passes on once more cuts no stream",
    ],
  },
  P11: {
    what: "the event loop stalls",
    tests: [
      "health/checker.test.ts: makes nothing of what it found while the event loop lagged",
      "health/lag.test.ts: a loop that is held up lags while it is",
      "e2e/held-up.test.ts: what an engine answers while the router is held up is there in time",
      "proxy/watch.test.ts: waits a moment longer where the loop was held up",
    ],
  },
  P12: { what: "the wall clock jumps", tests: ["e2e/clock-jump.test.ts: the wall clock jumps"] },
  P13: {
    what: "memory is short",
    tests: [
      "admission/memory.test.ts: memory is tight from 75 % and short from 85 %",
      "integration/admission.test.ts: that is short turns further requests away before their bodies are read",
    ],
  },
  P14: {
    what: "nobody takes the log",
    tests: [
      "e2e/start.test.ts: standard output that nobody takes",
      "core/line-writer.test.ts: a slow reader",
      "core/line-writer.test.ts: a reader that is gone",
    ],
  },
  P15: {
    what: "a name has another address, or none",
    tests: ["proxy/upstream.test.ts: because its name is unknown"],
    missing:
      "Names are looked up by the runtime, which keeps an address for 30 s; there is no resolver of our own to test.",
  },
  P16: {
    what: "a proxy is in the environment",
    tests: ["e2e/hostile.test.ts: past the proxies of its environment"],
  },
  P17: {
    what: "a rejection or a throw is caught by nobody",
    tests: ["cli/process.test.ts: goes on after a rejection and a throw that nobody caught"],
  },
  P18: {
    what: "the port is taken, or a flag is wrong",
    tests: [
      "e2e/start.test.ts: a port that is taken is one clear line and 1",
      "cli/process.test.ts: exit codes and streams",
    ],
  },
  P19: {
    what: "two routers serve side by side",
    tests: ["discovery/kubernetes.test.ts: is labelled, and every other router learns of it by the label"],
    missing: "They share nothing else; budgets and limits hold for each.",
  },
  P20: {
    what: "a worker crashes or hangs",
    tests: [
      "e2e/workers.test.ts: is replaced; only its own streams are lost, and nothing of them stays in the accounts",
      "e2e/workers.test.ts: gives its places back: who waits in another one is let in",
      "workers/kept-worker.test.ts: is ended when it gives no sign of life, and not before",
      "health/shared-outliers.test.ts: is probed again when the thread died in which its probe was",
      "routing/shared-prefix-index.test.ts: is empty and usable when a thread died that was writing",
      "stats/shared-ledger.test.ts: what a thread had under way when it died is taken out",
    ],
  },
};
