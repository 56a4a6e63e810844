import { expect, test } from "bun:test";
import { scrape, whenIdle } from "../../support/at-rest.ts";
import { readStream, type StreamedAnswer } from "../../support/chunked-stream.ts";
import { startEngineProcess, startRouterProcess, staticArgs } from "../../support/processes.ts";
import { rawPost } from "../../support/raw-client.ts";

const FAULTY = 600;
const AT_ONCE = 60;
const KILLED = 100;
const KILLS = 4;

interface Dialect {
  readonly path: string;
  readonly fields: object;
  /** Where the stream says that it failed. */
  readonly failure: RegExp;
  /** What only a complete stream says. */
  readonly end: RegExp;
}

const messages = [{ role: "user", content: "Go on and on" }];
const openAi = { failure: /^data: \{"error":\{/m, end: /\[DONE\]/ };
const DIALECTS: readonly Dialect[] = [
  { path: "/v1/chat/completions", fields: { messages, max_tokens: 60, ignore_eos: true }, ...openAi },
  { path: "/v1/completions", fields: { prompt: "Go", max_tokens: 60, ignore_eos: true }, ...openAi },
  {
    path: "/v1/messages",
    fields: { messages, max_tokens: 60 },
    failure: /^event: error\ndata: \{"type":"error","error":\{/m,
    end: /message_stop/,
  },
  {
    path: "/v1/responses",
    fields: { input: "Go", max_output_tokens: 60, store: false },
    failure: /^event: error\ndata: \{"type":"error"/m,
    end: /response\.completed/,
  },
];

const dialectOf = (index: number): Dialect => {
  const dialect = DIALECTS[index % DIALECTS.length];
  if (!dialect) throw new Error("there are dialects");
  return dialect;
};

const requestOf = (index: number, headers: readonly string[] = []): string => {
  const { path, fields } = dialectOf(index);
  return rawPost(path, JSON.stringify({ model: "m", stream: true, ...fields }), [
    ...headers,
    "Connection: close",
  ]);
};

/** What of a broken stream could be taken for success. */
const looksGood = ({ status, body, isWhole }: StreamedAnswer, { failure, end }: Dialect): boolean =>
  status === 200 && (isWhole || !failure.test(body) || end.test(body));

test(`${FAULTY} streams that their engine resets, cuts or leaves silent: none looks complete`, async () => {
  await using engine = await startEngineProcess([
    "--served-model-name=m",
    "--decode-ms=3",
    "--decode-ms-per-seq=0",
    "--max-num-seqs=100",
  ]);
  await using router = await startRouterProcess([
    ...staticArgs([["m", engine.url]]),
    "--routing-logic=roundrobin",
    "--upstream-chunk-idle-timeout-seconds=0.2",
  ]);
  const faultOf = (index: number): string => {
    const bytes = 600 + ((index * 37) % 1500);
    return [`reset-after=${bytes}`, `truncate-after=${bytes}`, `stall-after=${bytes}`][index % 3] ?? "";
  };
  const wrong: unknown[] = [];
  const refused: number[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < FAULTY) {
      const index = (next += 1);
      const answer = await readStream(router.port, requestOf(index, [`X-Mock-Fault: ${faultOf(index)}`]));
      if (looksGood(answer, dialectOf(index))) wrong.push([faultOf(index), dialectOf(index).path, answer]);
      if (answer.status !== 200) refused.push(answer.status);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  console.info(
    `${FAULTY} streams broke, ${refused.length} before their first event; ${wrong.length} looked complete`,
  );
  expect(wrong).toEqual([]);
  expect(refused.filter((status) => status < 500)).toEqual([]);
  expect(refused.length).toBeLessThan(FAULTY / 4);
  await whenIdle(router);
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  expect(await router.child.text("stderr")).not.toContain("defect of the router");
}, 60_000);

test(`${KILLED * KILLS} streams whose engines are killed under them: none looks complete`, async () => {
  const pace = ["--served-model-name=m", "--decode-ms=100", "--decode-ms-per-seq=0", "--max-num-seqs=200"];
  let engine = await startEngineProcess(pace);
  await using children = new AsyncDisposableStack();
  children.defer(async () => engine[Symbol.asyncDispose]());
  const { port, url } = engine;
  const router = children.use(
    await startRouterProcess([
      ...staticArgs([["m", url]]),
      "--routing-logic=roundrobin",
      "--disable-health-check",
    ]),
  );
  const wrong: unknown[] = [];
  let streams = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const answers = Array.from({ length: KILLED }, async (_, index) =>
      readStream(router.port, requestOf(index)),
    );
    while (((await scrape(router)).value("vllm_router_active_streams") ?? 0) < KILLED);
    engine.child.kill("SIGKILL");
    await engine.child.exited;
    for (const [index, answer] of (await Promise.all(answers)).entries()) {
      if (answer.status !== 200 || looksGood(answer, dialectOf(index))) wrong.push(answer);
      streams += 1;
    }
    engine = await startEngineProcess(pace, port);
  }
  console.info(`${streams} streams over ${KILLS} kills; ${wrong.length} looked complete`);
  expect(wrong).toEqual([]);
  await whenIdle(router);
}, 60_000);
