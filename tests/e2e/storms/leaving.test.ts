import { expect, test } from "bun:test";
import type { Socket } from "node:net";
import { scrape, whenIdle } from "../../support/at-rest.ts";
import { createHeld, describeHeld, grownOver, type Held, tellsWhatIsHeld } from "../../support/held.ts";
import { openFiles, residentKiB, startRouterProcess, staticArgs } from "../../support/processes.ts";
import { type RawClient, rawPost, sendRaw } from "../../support/raw-client.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../../support/raw-engine.ts";
import { percentile } from "../../support/statistics.ts";

const WAVES = 40;
const WAVES_OF_ROUND = 5;
/** Clients of one wave by where they are with their request when they leave. */
const CLIENTS = { queued: 50, unanswered: 50, begun: 40, streaming: 40, whole: 12, stalled: 8 } as const;
const UNDER_WAY = 150;
const EACH_WAVE = UNDER_WAY + CLIENTS.queued;
/** Of objects, that a round may leave: one for twenty clients. */
const MAX_OBJECTS = (WAVES_OF_ROUND * EACH_WAVE) / 20;
/** Of memory, that all rounds after the first may leave: 4 KiB a client, or what the allocator keeps now and then. */
const MAX_RESIDENT_KIB = (WAVES - WAVES_OF_ROUND) * EACH_WAVE * 4;
const FREED_WITHIN_MS = 100;
const DEPARTURES = ["destroy", "resetAndDestroy", "end"] as const;

type Phase = keyof typeof CLIENTS;
const PHASES = Object.keys(CLIENTS) as Phase[];

const EVENT = rawChunk('data: {"choices":[{"text":"a"}]}\n\n');
const LONG_EVENT = rawChunk(`data: ${"x".repeat(16 * 1024)}\n\n`);

/** What the engine does with a request of a phase before its client leaves. */
const ANSWERS: Readonly<Record<Phase, (socket: Socket) => void>> = {
  queued: () => {},
  unanswered: () => {},
  begun: (socket) => socket.write(STREAM_HEAD),
  streaming: (socket) => socket.write(STREAM_HEAD + EVENT),
  whole: (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc"),
  stalled: (socket) => {
    socket.write(STREAM_HEAD);
    const pump = (): void => {
      while (!socket.destroyed && socket.write(LONG_EVENT));
    };
    socket.on("drain", pump);
    pump();
  },
};

const request = (id: string): string =>
  rawPost("/v1/completions", JSON.stringify({ model: "m", prompt: "x", stream: true }), [
    `X-Request-Id: ${id}`,
  ]);

interface Leaver {
  readonly id: string;
  readonly phase: Phase;
  readonly client: RawClient;
}

test(`${WAVES * EACH_WAVE} clients leave in every phase: their engine is freed at once, and nothing stays`, async () => {
  const arrived = new Map<string, PromiseWithResolvers<void>>();
  const freed = new Map<string, PromiseWithResolvers<number>>();
  const phaseOf = (id: string): Phase => id.split("-")[0] as Phase;
  const of = <Value>(map: Map<string, PromiseWithResolvers<Value>>, id: string) => {
    const known = map.get(id) ?? Promise.withResolvers<Value>();
    map.set(id, known);
    return known;
  };
  await using engine = await startRawEngine((socket, { head }) => {
    if (!head.startsWith("POST ")) {
      socket.write(rawAnswer('vllm:num_requests_running{model_name="m"} 0\n'));
      return;
    }
    const id = /^x-request-id: (.*)$/im.exec(head)?.[1] ?? "";
    of(arrived, id).resolve();
    socket.on("close", () => of(freed, id).resolve(performance.now()));
    ANSWERS[phaseOf(id)](socket);
  });
  await using router = await startRouterProcess(
    [
      ...staticArgs([["m", engine.url]]),
      "--routing-logic=roundrobin",
      "--disable-health-check",
      `--max-concurrent-requests=${UNDER_WAY}`,
      `--queue-size=${CLIENTS.queued}`,
    ],
    tellsWhatIsHeld,
  );
  const whatIsHeld = createHeld(router);

  const enter = (phase: Phase, wave: number): Leaver[] =>
    Array.from({ length: CLIENTS[phase] }, (_, index) => {
      const id = `${phase}-${wave}-${index}`;
      const client = sendRaw(router.port, request(id));
      if (phase === "stalled") client.socket.pause();
      return { id, phase, client };
    });
  const leave = async (leavers: readonly Leaver[]): Promise<ReadonlyMap<string, number>> => {
    const leftAt = new Map<string, number>();
    for (const [index, { id, client }] of leavers.entries()) {
      leftAt.set(id, performance.now());
      client.socket[DEPARTURES[index % DEPARTURES.length] ?? "destroy"]();
      if (index % 5 === 0) await Bun.sleep(1);
    }
    return leftAt;
  };

  const takenMs = new Map<Phase, number[]>(PHASES.map((phase) => [phase, []]));
  /** The longest time that a wave's engines took to be free. */
  const slowestMs: number[] = [];
  const residentAfter: number[] = [];
  const heldAfter: Held[] = [];
  const filesBefore = await openFiles(router.child.pid);
  for (let wave = 0; wave < WAVES; wave += 1) {
    const busy = PHASES.filter((phase) => phase !== "queued").flatMap((phase) => enter(phase, wave));
    await Promise.all(busy.map(async ({ id }) => of(arrived, id).promise));
    await Promise.all(
      busy.map(async ({ phase, client }) => (phase === "streaming" ? client.until(/"text":"a"/) : undefined)),
    );
    const queued = enter("queued", wave);
    while ((await scrape(router)).value("vllm_router_queue_depth") !== CLIENTS.queued);
    const queueLeftAt = performance.now();
    await leave(queued);
    while ((await scrape(router)).value("vllm_router_queue_depth") !== 0);
    takenMs.get("queued")?.push(performance.now() - queueLeftAt);

    let slowest = 0;
    for (const [id, leftAt] of await leave(busy)) {
      const ms = (await of(freed, id).promise) - leftAt;
      takenMs.get(phaseOf(id))?.push(ms);
      slowest = Math.max(slowest, ms);
    }
    slowestMs.push(slowest);
    for (const { client } of busy) client[Symbol.dispose]();
    await whenIdle(router);
    residentAfter.push((await residentKiB(router.child.pid)) ?? 0);
    if ((wave + 1) % WAVES_OF_ROUND === 0) heldAfter.push(await whatIsHeld());
  }

  // Nobody who left the queue was heard of.
  expect([...arrived.keys()].filter((id) => phaseOf(id) === "queued")).toEqual([]);
  expect(arrived.size).toBe(WAVES * UNDER_WAY);
  const mib = (kib: number): string => (kib / 1024).toFixed(0);
  console.info(
    [
      `${WAVES * EACH_WAVE} clients left; freed after p50, p99:`,
      ...PHASES.map((phase) => {
        const times = takenMs.get(phase) ?? [];
        return `${phase} ${percentile(times, 0.5).toFixed(0)}, ${percentile(times, 0.99).toFixed(0)} ms;`;
      }),
      `slowest of a wave ${percentile(slowestMs, 0.5).toFixed(0)} ms;`,
      `memory ${mib(Math.min(...residentAfter))} to ${mib(Math.max(...residentAfter))} MiB, without garbage`,
      describeHeld(heldAfter),
    ].join(" "),
  );
  // One late client in a hundred makes most waves late, as a machine that is busy elsewhere now and then does not.
  expect(percentile(slowestMs, 0.5)).toBeLessThan(FREED_WITHIN_MS);
  const grown = grownOver(heldAfter);
  expect(grown.objects).toBeLessThan(MAX_OBJECTS);
  expect(grown.residentKiB).toBeLessThan(MAX_RESIDENT_KIB);
  const atRest = await whenIdle(router);
  expect(atRest.value("vllm_router_attempts_total", { outcome: "client_closed" })).toBe(WAVES * UNDER_WAY);
  // Those of the connection over which this test asks for metrics, and of one to the engine; the last to leave may
  // still be on its way out. The test's time limit ends it otherwise.
  while ((await openFiles(router.child.pid)) - filesBefore > 2) await Bun.sleep(10);
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  // Neither a rejection that nobody caught nor anything else than what it was asked.
  expect((await router.child.text("stderr")).replaceAll(/^held \d+: .*\n/gm, "")).toBe("");
}, 180_000);
