import type { Row } from "./row.ts";

/** What the router promises. */
export const promises: Readonly<Record<string, Row>> = {
  R1: {
    what: "An engine dies before the first byte and another one is there: no client notices, and no request takes more than two attempts.",
    tests: [
      "e2e/failover.test.ts: requests succeed while engines are killed under them",
      "e2e/outliers.test.ts: is killed and started again, and no client notices",
    ],
  },
  R2: {
    what: "A client that leaves frees its engine within 100 ms (p99), wherever its request is.",
    tests: [
      "e2e/storms/leaving.test.ts: clients leave in every phase",
      "integration/disconnects.test.ts: a client that leaves frees its engine",
    ],
  },
  R3: {
    what: "A total outage is not amplified: at most 1.2 attempts for each request, and 3 a second.",
    tests: [
      "e2e/storms/outage.test.ts: a total outage is not amplified, and is told at once",
      "proxy/retry-budget.test.ts: bounds what a total outage makes of its requests",
      "proxy/dead-ends.test.ts: where every engine loses its connections",
    ],
  },
  R4: {
    what: "A failure in mid-stream never looks like success.",
    tests: [
      "e2e/storms/broken-streams.test.ts: streams that their engine resets, cuts or leaves",
      "e2e/storms/broken-streams.test.ts: streams whose engines are killed under them",
      "integration/broken-streams.test.ts: streams that break off none looks complete",
    ],
  },
  R5: {
    what: "A reader that stalls costs at most 1 MiB and frees its engine when its time is over. An engine that sends far faster than any decodes costs up to 3 MiB each.",
    tests: [
      "e2e/storms/slow-clients.test.ts: cost less than a mebibyte each",
      "integration/disconnects.test.ts: a client that reads slowly slows its engine and costs bounded memory",
    ],
  },
  R6: {
    what: "SIGTERM with 200 open streams cuts nothing; readiness is 503 at once, and nobody is refused in the delay.",
    tests: ["e2e/leave.test.ts: streams: not ready at once, nobody is refused in the delay, nothing is cut"],
  },
  R7: {
    what: "A bad or half-written configuration changes nothing and fails no request.",
    tests: [
      "e2e/reload.test.ts: a broken file is named once and changes nothing",
      "e2e/reload.test.ts: reloads under",
      "reload.test.ts: that is still being written is waited for",
    ],
  },
  R8: {
    what: "The Kubernetes API may be away for ten minutes: endpoints stay, and are right again within 30 s of its return.",
    tests: [
      "discovery/kubernetes.test.ts: nothing changes, and one list after its return the truth is known",
      "kubernetes/list-watch-refused.test.ts: that is gone leaves what is known, says so once, and is followed again within 30 s",
      "e2e/kubernetes-rollout.test.ts: are known again after one list, when the API comes back",
    ],
  },
  R9: {
    what: "A jump of the wall clock by an hour changes nothing.",
    tests: [
      "e2e/clock-jump.test.ts: the wall clock jumps",
      "features/sentry/traces.test.ts: keeps its times although the wall clock jumps",
    ],
    missing:
      "The jump is one of what the process reads, not of the kernel's clock, for which CI has no rights.",
  },
  R10: {
    what: "An engine that is up and down by turns makes the router change its mind twice in 30 s at most.",
    tests: [
      "fleet/flapping.test.ts: makes the router change its mind twice in any 30 s at most",
      "health/checker.test.ts: does not flap with an engine that is up for a second and down for a second",
      "e2e/storms/unsteady-engines.test.ts: no request fails, and it is left out for longer and longer",
    ],
  },
  R11: {
    what: "With all engines down the answer is quick and plain, and service is back one probe interval after an engine.",
    tests: [
      "integration/outliers.test.ts: the answer is quick and plain, and service is back within one interval of an engine",
      "e2e/storms/outage.test.ts: service is back when one of them has passed its probes",
      "integration/disconnects.test.ts: an engine that refuses connections is a 503 that names a time",
    ],
  },
  R12: {
    what: "500 slow clients harm nobody else, and are closed within 35 s: the p99 of requests of 100 ms is 103.1 ms alone and 103.9 ms beside them, and less than a tenth longer in every run.",
    tests: [
      "e2e/storms/slow-clients.test.ts: are waited for by nobody else: the p99 of others is less than a tenth longer",
      "e2e/storms/slow-clients.test.ts: are closed",
    ],
  },
  R13: {
    what: "The limit on open files is never reached: no processor is used up, and service resumes within a second.",
    tests: ["e2e/descriptors.test.ts: files may be open: no processor is used up"],
  },
  R14: {
    what: "No input breaks the process: 100,000 generated bodies, messages, streams and configurations in each run.",
    tests: [
      "fuzz/bodies.test.ts: is refused with a reason or passes as it came",
      "fuzz/messages.test.ts: none makes more requests than it has heads",
      "fuzz/streams.test.ts: goes through whole and ends as such, or is told to be broken",
      "fuzz/configuration.test.ts: by flags and variables is taken, or refused in plain lines",
    ],
  },
  R15: {
    what: "No smuggling: one message makes one request to an engine at most, framed by one length that the router computed.",
    tests: [
      "http/malformed-requests.test.ts: a message that two readers could read differently ends its connection",
      "http/odd-requests.test.ts: reaches the engine once, as one message with a length of our own",
      "fuzz/messages.test.ts: none makes more requests than it has heads",
    ],
  },
  R16: {
    what: "Keys, prompts, answers and headers are in nothing that the process writes.",
    tests: [
      "e2e/canaries.test.ts: keys, prompts, answers and headers are in nothing that the process writes",
      "e2e/access.test.ts: no key is in anything that is written",
      "e2e/sentry.test.ts: and nothing that is the client's",
    ],
  },
  R17: {
    what: "A hostile working directory or environment has no effect, or is refused.",
    tests: [
      "e2e/hostile.test.ts: a router serves from a hostile folder, past the proxies of its environment",
    ],
  },
  R18: {
    what: "No request below 10 KiB takes more than 1 MiB, or more than 100 times what an ordinary one takes of a processor: 16 times is the most that was measured, and what is read of it is read in linear time.",
    tests: [
      "e2e/storms/small-requests.test.ts: no request below 10 KiB takes more than a mebibyte, or a hundred times what an ordinary one takes",
      "proxy/json-fields.test.ts: nothing but fields is refused at once",
      "proxy/multipart.test.ts: arbitrary bytes give spans within them or a SyntaxError, in linear time",
      "proxy/usage-filter.test.ts: costs no more for bytes made to be slow to sift",
    ],
  },
  R19: {
    what: "An hour of faults and clients that leave has no trace in memory, descriptors or gauges.",
    tests: [
      "e2e/storms/leaving.test.ts: clients leave in every phase",
      "e2e/storms/traces.test.ts: of which most go wrong in every way leave nothing in memory",
      "e2e/storms/reloads.test.ts: reloads leave nothing of the routers that they replace",
      "e2e/storms/soak.test.ts: in mixed traffic, faults and reloads loses nothing",
    ],
    missing: "CI takes a minute for it; `scripts/soak.ts --minutes 60` soaks for an hour.",
  },
  R20: {
    what: "The same source makes the same executable, byte for byte, in any folder.",
    tests: ["e2e/build.test.ts: gives the same bytes from another folder"],
  },
  R21: {
    what: "Several workers are one router: limits, turns, load, sessions, ejections, caches and counts hold over all of them.",
    tests: [
      "e2e/workers.test.ts: let in as many as may be let in, together and to each engine, and everybody has a turn",
      "e2e/workers.test.ts: count as one: every request is in /metrics once, and nothing is left of it",
      "e2e/workers-routing.test.ts: to the engine that has least from both of them",
      "e2e/workers-routing.test.ts: the cache that holds a prompt, whichever of them has sent its beginning",
      "admission/shared-admission.test.ts: threads that ask at once are never let in by more than may be",
      "health/shared-outliers.test.ts: threads that judge at once eject each engine once and no more than may be",
      "metrics/thread-states.test.ts: is told as one router would that had all requests",
    ],
    missing: "Retries are limited for each worker by what it serves itself.",
  },
};
