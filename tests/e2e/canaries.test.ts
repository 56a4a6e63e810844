import { expect, test } from "bun:test";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { whenIdle } from "../support/at-rest.ts";
import { startRouterProcess } from "../support/processes.ts";
import { rawPost, sendRaw } from "../support/raw-client.ts";
import { rawAnswer, rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { startFakeSentry } from "../support/sentry.ts";

/** What must stay inside is marked so, and nothing else is. */
const canary = (what: string): string => `canary-${what}`;
const found = (text: string): readonly string[] => [...new Set(text.match(/canary-[a-z-]+/g) ?? [])];

const HEADERS = [
  `Authorization: Bearer ${canary("client-key")}`,
  `Cookie: session=${canary("cookie")}`,
  `X-Custom: ${canary("header")}`,
  `User-Agent: ${canary("agent")}`,
  "Connection: close",
];
const chat = (fields: object = {}): string =>
  JSON.stringify({
    model: "m",
    messages: [{ role: "user", content: canary("prompt") }],
    user: canary("user"),
    ...fields,
  });

const ENDED = `${rawChunk(`data: {"choices":[{"text":"${canary("answer")}"}]}\n\n`)}${rawChunk("data: [DONE]\n\n")}0\r\n\r\n`;

const USAGE = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
/** Ways in which the engine takes a request, by what the request says. */
const BEHAVIOURS: Readonly<Record<string, string | Buffer | undefined>> = {
  whole: rawAnswer(JSON.stringify({ text: canary("answer"), usage: USAGE }), {
    "x-engine": canary("engine-header"),
  }),
  stream: STREAM_HEAD + ENDED,
  refuse: rawAnswer(JSON.stringify({ error: { message: canary("answer") } }), {}, "400 Bad Request"),
  break: rawAnswer(JSON.stringify({ error: { message: canary("answer") } }), {}, "500 Internal Server Error"),
  garbage: `${canary("answer")} is not HTTP\r\n\r\n`,
  redirect: `HTTP/1.1 302 Found\r\nLocation: http://${canary("location")}/\r\nContent-Length: 0\r\n\r\n`,
  cut: STREAM_HEAD + rawChunk('data: {"choices":[{"text":"a"}]}\n\n'),
};
const CUT: ReadonlySet<string> = new Set(["cut", "garbage", "reset"]);

test("keys, prompts, answers and headers are in nothing that the process writes, and in no listing of it", async () => {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "router-canaries-"));
  parts.defer(async () => rm(folder, { recursive: true }));
  const keys = join(folder, "keys");
  await Bun.write(keys, `alice:${canary("client-key")}\n`);
  await chmod(keys, 0o600);

  const engine = parts.use(
    await startRawEngine((socket, { head, body }) => {
      const how = head.startsWith("POST ")
        ? (/"how":"(\w+)"/.exec(body.toString())?.[1] ?? "whole")
        : "whole";
      const answer = BEHAVIOURS[how];
      if (answer !== undefined) socket.write(answer);
      if (CUT.has(how)) socket.end();
    }),
  );
  const sentry = parts.use(startFakeSentry());
  const file = join(folder, "router.yaml");
  const configuration = {
    static_backends: engine.url,
    static_models: "m",
    static_backend_api_keys: canary("engine-key"),
  };
  const write = async (fields: object): Promise<unknown> => Bun.write(file, JSON.stringify(fields));
  await write(configuration);
  await chmod(file, 0o600);
  const recording = join(folder, "trace.jsonl");
  const preload = fileURLToPath(import.meta.resolve("../cli/faulty-preload.ts"));
  const router = parts.use(
    await startRouterProcess(
      [
        "--service-discovery=static",
        "--routing-logic=roundrobin",
        "--log-level=trace",
        "--health-check-interval-secs=1",
        `--api-key-file=${keys}`,
        `--dynamic-config-yaml=${file}`,
        `--record-trace=${recording}`,
        `--sentry-dsn=${sentry.dsn}`,
        "--sentry-traces-sample-rate=1",
      ],
      { BUN_OPTIONS: `--preload ${preload}`, VLLM_ROUTER_ALLOW_BUN_OPTIONS: "1" },
    ),
  );

  const ask = async (request: string): Promise<string> => {
    using client = sendRaw(router.port, request);
    return await client.closed();
  };
  const post = async (body: string, headers: readonly string[] = HEADERS): Promise<string> =>
    ask(rawPost(`/v1/chat/completions?key=${canary("query")}`, body, headers));

  // The engine has the prompt and its own key, and the client its answer: that is what they are there for.
  const passed = [
    await post(chat()),
    await post(chat({ how: "stream", stream: true })),
    await post(chat({ how: "refuse" })),
    await post(chat({ how: "break" })),
  ];
  for (const answer of passed) expect(found(answer)).toContain("canary-answer");
  expect(engine.requests.some(({ head }) => head.includes(`Bearer ${canary("engine-key")}`))).toBe(true);
  expect(engine.requests.some(({ head }) => head.includes(canary("client-key")))).toBe(false);
  expect(engine.requests.some(({ body }) => body.includes(canary("prompt")))).toBe(true);

  const told: string[] = [
    await post(chat({ how: "cut", stream: true })),
    await post(chat({ how: "garbage" })),
    await post(chat({ how: "redirect" })),
    await post(chat({ how: "reset" })),
    await post(chat(), [`Authorization: Bearer ${canary("wrong-key")}`, "Connection: close"]),
    await post(chat(), [`X-Api-Key: ${canary("wrong-key")}`, "Connection: close"]),
    await post(`${chat().slice(0, -1)},"x":`),
    await post(chat({ model: "unknown" })),
    await post(chat({ model: { [canary("prompt")]: 1 } })),
    await post(chat(), [...HEADERS, "Content-Type: multipart/form-data; boundary=x"]),
    await ask(rawPost("/v1/chat/completions", chat(), [...HEADERS, "Host: b"])),
    await ask(rawPost("/v1/chat/completions", chat(), [...HEADERS, `Bad Header: ${canary("header")}`])),
    await ask(`PUT /v1/models?${canary("query")} HTTP/1.1\r\nHost: a\r\n${HEADERS.join("\r\n")}\r\n\r\n`),
  ];
  using leaving = sendRaw(router.port, rawPost("/v1/chat/completions", chat({ how: "hang" }), HEADERS));
  await engine.received(engine.requests.length + 1);
  leaving[Symbol.dispose]();
  router.child.kill("SIGUSR2");
  await sentry.events(2);

  // A configuration that cannot be used is told about, without what it says.
  await write({ ...configuration, static_backend_api_keys: [canary("engine-key"), canary("another-key")] });
  router.child.kill("SIGHUP");
  await router.child.until(/ERROR: .*static_backend_api_keys/);
  await Bun.write(keys, `${canary("broken key")} with spaces ${canary("client-key")}\n`);
  router.child.kill("SIGHUP");
  await router.child.until(/ERROR: .*keys/);

  const lists = ["/metrics", "/engines", "/health", "/readyz?verbose", "/v1/models", "/version"];
  for (const path of lists)
    told.push(await ask(`GET ${path} HTTP/1.1\r\nHost: a\r\n${HEADERS.join("\r\n")}\r\n\r\n`));
  for (const answer of told) expect(answer).toMatch(/^HTTP\/1\.1 \d{3} /);

  const listings: string[] = [];
  if (process.platform === "linux") {
    const { pid } = router.child;
    for (const name of ["cmdline", "environ", "comm", "status"])
      listings.push(await readFile(`/proc/${pid}/${name}`, "utf8"));
    const tasks = await readdir(`/proc/${pid}/task`);
    const children = tasks.map(async (task) =>
      readFile(`/proc/${pid}/task/${task}/children`, "utf8").catch(() => ""),
    );
    // It starts no process that could be given anything.
    expect((await Promise.all(children)).join("").trim()).toBe("");
  }
  await whenIdle(router);
  await sentry.transactions(passed.length);
  router.child.kill("SIGTERM");
  expect(await router.child.exited).toBe(0);
  const written = {
    "error bodies and lists": told.join("\n"),
    "standard output": await router.child.text("stdout"),
    "standard error": await router.child.text("stderr"),
    "errors and traces": sentry.bodies.join("\n"),
    "recorded requests": await readFile(recording, "utf8"),
    listings: listings.join("\n"),
  };
  console.info(
    Object.entries(written)
      .map(([what, text]) => `${what}: ${text.length} characters`)
      .join(", "),
  );
  for (const [what, text] of Object.entries(written)) {
    if (what !== "listings" || process.platform === "linux") expect(text.length).toBeGreaterThan(0);
    expect([what, found(text)]).toEqual([what, []]);
  }
}, 60_000);
