import type { Row } from "./row.ts";

/** What clients do. */
export const clientFaults: Readonly<Record<string, Row>> = {
  C1: {
    what: "leave the queue",
    tests: [
      "integration/admission.test.ts: leave the queue when their client does",
      "e2e/storms/leaving.test.ts: clients leave in every phase",
    ],
  },
  C2: {
    what: "leave before the head",
    tests: ["integration/disconnects.test.ts: before the head of the answer"],
  },
  C3: {
    what: "leave in mid-stream, by RST, with a stalled reader",
    tests: [
      "integration/disconnects.test.ts: in the middle of a stream",
      "e2e/storms/leaving.test.ts: clients leave in every phase",
    ],
  },
  C4: {
    what: "close their half of the connection, which counts as leaving",
    tests: ["integration/disconnects.test.ts: a half-close"],
  },
  C5: {
    what: "vanish without a word",
    tests: [
      "proxy/deadlines.test.ts: a client that takes nothing is left after its time, and its engine freed",
      "e2e/network.test.ts: is left when what waits for it has waited its time, and its engine freed",
    ],
  },
  C6: {
    what: "read slowly",
    tests: [
      "integration/deadlines.test.ts: a client that reads nothing is cut and its engine freed, one that reads slowly is not",
      "e2e/storms/slow-clients.test.ts: cost less than a mebibyte each",
    ],
  },
  C7: {
    what: "send slowly, first or later on a connection",
    tests: [
      "e2e/storms/slow-clients.test.ts: are closed",
      "integration/deadlines.test.ts: a body that comes steadily, but not in its time, reaches no engine",
      "integration/disconnects.test.ts: after a streamed answer the idle limit holds again",
    ],
  },
  C8: {
    what: "send too much",
    tests: ["integration/forwarding.test.ts: a body over the limit is a 413 that names the option"],
  },
  C9: {
    what: "send JSON that is deep, huge or odd",
    tests: [
      "proxy/json-fields.test.ts: arbitrary bytes, and any cut or flipped byte of an object",
      "fuzz/bodies.test.ts: is refused with a reason or passes as it came",
      "proxy/call.test.ts: nested 64 deep is accepted",
    ],
  },
  C10: {
    what: "send several requests in one packet",
    tests: [
      "http/odd-requests.test.ts: are answered in their order where the router answers them by itself",
      "http/odd-requests.test.ts: and go to engines are not answered",
    ],
  },
  C11: {
    what: "smuggle, or ask for odd hosts, targets and methods; a target that names a host (RFC 9112 section 3.2.2) or has dots is taken for the path that it comes to, which the runtime has made of it before the router looks, and that path is what is matched, guarded and sent on",
    tests: [
      "http/app.test.ts: reaches the engine as its canonical form",
      "http/malformed-requests.test.ts: a message that two readers could read differently",
      "http/gate.test.ts: reaches no engine",
      "http/odd-requests.test.ts: what the router answers by itself reaches no engine",
    ],
  },
  C12: {
    what: "take all descriptors",
    tests: ["e2e/descriptors.test.ts: files may be open: no processor is used up"],
  },
  C13: {
    what: "put line ends into names and ids",
    tests: [
      "proxy/request-id.test.ts: is one token of visible ASCII, whatever is sent",
      "proxy/routing-log.test.ts: one token of a session, whatever the client calls it",
    ],
  },
  C14: {
    what: "put line ends and control characters into the log",
    tests: ["core/log.test.ts: is one line without any control character, whatever it holds"],
  },
  C15: {
    what: "forge where they come from",
    tests: [
      "proxy/request-headers.test.ts: is what the router sees, whatever a stranger says",
      "integration/access.test.ts: engines are told where a request comes from, by the router or by a proxy that it trusts",
    ],
  },
};
