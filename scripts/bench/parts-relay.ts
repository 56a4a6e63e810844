import { dial } from "../../src/dial.ts";
import { createEngineSend } from "../../src/proxy/engine-send.ts";
import { createLog } from "../../src/core/log.ts";
import { createClients } from "../../src/http/client.ts";
import { pathOf } from "../../src/http/forwarded.ts";
import { admit } from "../../src/http/gate.ts";
import { createProcessWriter, engineFetch, systemClock } from "../../src/platform.ts";
import { createReadBody } from "../../src/proxy/body.ts";
import { readCall } from "../../src/proxy/call.ts";
import { headersForClient } from "../../src/proxy/headers.ts";
import { relay } from "../../src/proxy/relay.ts";
import { createRequestHeaders } from "../../src/proxy/request-headers.ts";
import { requestIdOf } from "../../src/proxy/request-id.ts";
import { routingLine } from "../../src/proxy/routing-log.ts";
import { createTail } from "../../src/proxy/tail.ts";
import { exchange } from "../../src/proxy/upstream.ts";
import { readUsage } from "../../src/proxy/usage.ts";
import type { Candidate, SinglePlan } from "../../src/routing/policy.ts";
import { session } from "../../src/routing/session.ts";
import { createRequestLedger } from "../../src/stats/request-ledger.ts";
import { endToEnd } from "./end-to-end.ts";
import { type PartName, parts } from "./parts.ts";
import { MODEL } from "./workloads.ts";

// The bare relay with the router's own parts up to one of them. Its arguments are a port of 127.0.0.1, that part and
// the engines' URLs.

const [port, last, ...engines] = process.argv.slice(2);
const names = parts.map(({ name }) => name);
const given: ReadonlySet<PartName> = new Set(names.slice(0, names.findIndex((name) => name === last) + 1));
const [enters, parses, chooses] = [given.has("entrance"), given.has("call"), given.has("policy")];
const [rewrites, logs, counts] = [given.has("heads"), given.has("log"), given.has("tokens")];

const IDLE_SECONDS = 30;
const BODY_MS = 30_000;
const MAX_BODY_BYTES = 2 ** 25;
const WINDOW_MS = 60_000;

const clock = systemClock;
const clients = createClients(IDLE_SECONDS);
const readBody = createReadBody(BODY_MS, { clock });
const ledger = createRequestLedger({ windowMs: WINDOW_MS }, { clock });
const candidateOf = (url: string): Candidate => ({
  endpoint: { id: url, url, models: [MODEL], addedAt: 0 },
  requests: ledger.of(url),
});
const [url = "", ...others] = engines;
const candidates = [candidateOf(url), ...others.map(candidateOf)] as const;
const first: SinglePlan = { kind: "single", endpoint: candidates[0].endpoint, rule: "turn", reason: "" };
const policy = session.create({ sessionKey: "x-user-id" });
const headersForEngine = createRequestHeaders({ isTrusted: () => false });
const send = createEngineSend({ dial, fetch: engineFetch });
const log = createLog({ level: "info", format: "text" }, { clock, write: createProcessWriter().write });

const never = new AbortController().signal;

const answer = async (request: Request, server: Bun.Server<undefined>): Promise<Response> => {
  const at = clock.monotonic();
  const { method, headers } = request;
  if (enters) admit(request);
  const id = enters ? requestIdOf(headers) : "";
  const path = pathOf(request.url);
  const client = enters ? clients.of(request, server, { arrivedAt: at }) : undefined;
  const signal = client?.signal ?? never;

  const call = parses
    ? await readCall({ id, request, path, isReplaySafe: () => true, maxBodyBytes: MAX_BODY_BYTES, readBody })
    : undefined;
  const body = call ? call.messageFor(MODEL).body : new Uint8Array(await request.arrayBuffer());
  const chosen =
    call && chooses
      ? await policy.plan(
          { model: MODEL, headers, field: call.field, prompt: () => undefined, at },
          candidates,
        )
      : first;
  const plan = chosen.kind === "single" ? chosen : first;
  const message = {
    method,
    headers: rewrites
      ? headersForEngine({ id, headers, address: client?.address() })
      : (endToEnd(headers).toJSON() as Record<string, string>),
    body,
    signal,
  };
  const target = plan.endpoint.url + path;
  if (logs)
    log.info(
      routingLine({
        requestId: id,
        sessionId: plan.sessionId,
        url: plan.endpoint.url,
        epochMs: clock.now(),
        elapsedMs: clock.monotonic() - at,
      }),
    );

  const {
    status,
    headers: said,
    first: begun,
    rest,
  } = await exchange(send, target, message, {
    mayReconnect: true,
  });
  const init = { status, headers: rewrites ? headersForClient(said, id) : said };
  const tail = createTail(begun);
  const onEnd = (): void => void (counts && readUsage(tail.last(), tail.before()));
  if (rest) {
    const onChunk = counts ? tail.add : () => {};
    const options = { failureEvent: undefined, signal, clock, onChunk, onEnd };
    return new Response(new ReadableStream(relay(begun, rest, options)), init);
  }
  onEnd();
  return new Response(begun ?? null, init);
};

Bun.serve({ hostname: "127.0.0.1", port: Number(port), development: false, fetch: answer });
