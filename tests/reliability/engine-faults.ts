import type { Row } from "./row.ts";

const BROKEN = "integration/broken-answers.test.ts";

/** What engines do. */
export const engineFaults: Readonly<Record<string, Row>> = {
  U1: {
    what: "refuse connections",
    tests: [
      "integration/disconnects.test.ts: an engine that refuses connections is a 503 that names a time",
      "proxy/upstream.test.ts: because its port is closed",
      "proxy/next-attempt.test.ts: an engine that was not reached is replaced for nothing",
    ],
  },
  U2: {
    what: "let connections go unanswered",
    tests: [
      "integration/deadlines.test.ts: a host that lets connections go unanswered is replaced",
      "e2e/network.test.ts: that lets connections go unanswered is replaced when a second one has had its time",
    ],
  },
  U3: {
    what: "are unreachable by ICMP",
    tests: [
      "proxy/upstream.test.ts: what the runtime names by itself is mapped by its code",
      "e2e/network.test.ts: to which every packet is answered with %p is replaced at once",
    ],
  },
  U4: {
    what: "accept and never answer",
    tests: [
      "integration/line-faults.test.ts: every whole answer is served, and the line is used again",
      "integration/deadlines.test.ts: an engine that never answers is replaced",
      "proxy/deadlines.test.ts: is replaced by another",
    ],
  },
  U5: {
    what: "close an idle connection",
    tests: ["integration/disconnects.test.ts: a pooled connection that the engine has closed meanwhile"],
  },
  U6: {
    what: "close a connection with the next request on it",
    tests: [
      "integration/disconnects.test.ts: a pooled connection that the engine has closed meanwhile",
      "proxy/upstream.test.ts: is made anew once, where sending twice is harmless",
    ],
  },
  U7: {
    what: "vanish without a word",
    tests: [
      "proxy/deadlines.test.ts: an engine whose host is silent",
      "proxy/deadlines.test.ts: loses what waits for its first byte to another one",
      "health/checker.test.ts: is settled about what accepts and says nothing 6 s after it first asked",
      "e2e/network.test.ts: that vanishes without a word is out within its probes",
    ],
  },
  U8: {
    what: "are killed before the first byte",
    tests: ["e2e/failover.test.ts: requests succeed while engines are killed under them"],
  },
  U9: {
    what: "are killed in mid-stream",
    tests: ["e2e/storms/broken-streams.test.ts: streams whose engines are killed under them"],
  },
  U10: {
    what: "end on SIGTERM and abort their requests",
    tests: [
      `${BROKEN}: chunks cut by FIN`,
      "integration/disconnects.test.ts: an engine that dies while its answer streams",
    ],
  },
  U11: {
    what: "freeze",
    tests: [
      "e2e/outliers.test.ts: is frozen: those on it and those that come then are served by the others",
      "e2e/health.test.ts: an engine that is frozen",
      "e2e/storms/unsteady-engines.test.ts: none waits much longer than an engine may be busy",
      "integration/deadlines.test.ts: a stream that stops is cut with its reason",
    ],
  },
  U12: {
    what: "answer 503 or 429",
    tests: [
      "proxy/failover.test.ts: of 503 is passed on as it is where nothing better comes",
      "proxy/failover.test.ts: of 429 is replaced only by an engine that has room",
      "integration/outliers.test.ts: answers 429",
      "health/outliers.test.ts: gets less for as long as it says that it has no room",
    ],
  },
  U13: {
    what: "answer 500",
    tests: ["proxy/failover.test.ts: reaches no third one, and its client is told not to send it again"],
  },
  U14: { what: "answer 4xx", tests: ["proxy/failover.test.ts: of %p is passed on", `${BROKEN}: "400"`] },
  U15: {
    what: "begin a stream with an error",
    tests: [
      "proxy/failover.test.ts: a stream whose first event is an error has the status of that error",
      `${BROKEN}: an error at its beginning`,
    ],
  },
  U16: {
    what: "have an error in mid-stream",
    tests: [`${BROKEN}: an error in its middle and an orderly end`],
  },
  U17: {
    what: "break off in chunks",
    tests: [`${BROKEN}: chunks cut by RST`, `${BROKEN}: a chunk cut by FIN`],
  },
  U18: {
    what: "break off before their length",
    tests: [`${BROKEN}: a body shorter than its length`, `${BROKEN}: a length cut by RST`],
  },
  U19: {
    what: "end a stream with the connection",
    tests: [`${BROKEN}: an end of the connection without a last word`],
  },
  U20: {
    what: "send what is no answer",
    tests: [
      "integration/line-faults.test.ts: every whole answer is served, and the line is used again",
      `${BROKEN}: garbage`,
      `${BROKEN}: another protocol`,
      `${BROKEN}: NUL in a field`,
      `${BROKEN}: fields without end`,
    ],
  },
  U21: { what: "send more than was asked for", tests: [`${BROKEN}: a second answer that nobody asked for`] },
  U22: {
    what: "redirect",
    tests: ["integration/forwarding.test.ts: a redirect of an engine is never followed"],
  },
  U23: {
    what: "compress",
    tests: [
      `${BROKEN}: compressed bytes`,
      "integration/stream-usage.test.ts: a stream that an engine compresses all the same is passed on as it is",
    ],
  },
  U24: {
    what: "answer oddly",
    tests: [`${BROKEN}: length and chunks`, `${BROKEN}: bare line feeds`, `${BROKEN}: status 999`],
  },
  U25: {
    what: "trickle",
    tests: ["proxy/deadlines.test.ts: ends its streams, though not those on which something comes meanwhile"],
  },
  U26: {
    what: "are silent for minutes before the first token",
    tests: [
      "integration/disconnects.test.ts: long silence before the first token survives the server's idle limit",
      "proxy/deadlines.test.ts: is waited for: minutes may pass",
    ],
  },
  U27: {
    what: "are ten times slower than others",
    tests: ["e2e/outliers.test.ts: is ten times slower than the others, and stays"],
  },
  U28: {
    what: "answer everything at once with nothing",
    tests: ["proxy/failover.test.ts: has no event", "integration/outliers.test.ts: an engine is left out"],
  },
  U29: { what: "return together", tests: ["e2e/outliers.test.ts: half of the engines come back together"] },
  U30: {
    what: "are behind a lossy or narrow line",
    tests: ["e2e/network.test.ts: of which %p is not taken for dead"],
  },
};
