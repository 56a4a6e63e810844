import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../../src/cli.ts";
import { createFileWriter } from "../../src/platform.ts";
import { parseTrace } from "../../src/simulate/workloads/trace.ts";
import { startEngine } from "../mock-engine/started.ts";
import { lendPlatform } from "./lent.ts";

const newPath = (): string => join(mkdtempSync(join(tmpdir(), "trace-")), "trace.jsonl");

/** One engine prefills, the other answers. */
const divided = [
  "--routing-logic=disaggregated_prefill_orchestrated",
  "--static-model-labels=p,d",
  "--prefill-model-labels=p",
  "--decode-model-labels=d",
];

/** Serves two engines with `--record-trace`, sends chats to them, and ends. */
const serve = async (
  path: string,
  bodies: readonly object[],
  routing: readonly string[] = ["--routing-logic=roundrobin"],
) => {
  await using one = startEngine({ servedModelName: ["m"], timeScale: 0 });
  await using other = startEngine({ servedModelName: ["m"], timeScale: 0 });
  const lent = lendPlatform({ createFile: createFileWriter });
  const flags = ["--host=127.0.0.1", "--port=0", "--drain-delay-seconds=0", `--record-trace=${path}`];
  const ended = runCli(
    [
      ...flags,
      "--service-discovery=static",
      `--static-backends=${one.url},${other.url}`,
      "--static-models=m,m",
      ...routing,
    ],
    lent.platform,
  );
  const [url = ""] = /http:\/\/[^ ]*\d/.exec(await lent.line(/listens on/)) ?? [];
  for (const body of bodies) {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    await answer.text();
  }
  lent.stop.abort(new Error("asked to end"));
  expect(await ended).toBe(0);
  return lent.stdout() + lent.stderr();
};

const chat = (question: string) => ({
  model: "m",
  messages: [
    { role: "system", content: "All of this is common. ".repeat(200) },
    { role: "user", content: question },
  ],
  max_tokens: 7,
  ignore_eos: true,
});

describe("--record-trace", () => {
  test("records what was served, streams too, in a file that can be replayed and tells nothing", async () => {
    const path = newPath();
    const log = await serve(path, [chat("What is a canary?"), { ...chat("And a wren?"), stream: true }]);
    const text = readFileSync(path, "utf8");
    const trace = parseTrace(text);
    expect(log).toContain(`Requests are recorded in ${path}`);
    expect(trace.map(({ outputTokens }) => outputTokens)).toEqual([7, 7]);
    expect(trace[0]?.prompt.slice(0, 2)).toEqual(trace[1]?.prompt.slice(0, 2) ?? []);
    expect(text).not.toContain("canary");
    // Nobody but its owner reads how much is asked, and when.
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("of one that two engines serve is one request, as long as the client's and with the whole answer", async () => {
    const [plain, two] = [newPath(), newPath()];
    const asked = [chat("What is a canary?"), { ...chat("And a wren?"), stream: true }];
    await serve(plain, asked);
    await serve(two, asked, divided);
    const lengths = (path: string) =>
      parseTrace(readFileSync(path, "utf8")).map(({ promptTokens, outputTokens }) => [
        promptTokens,
        outputTokens,
      ]);
    expect(lengths(two)).toEqual(lengths(plain));
    expect(lengths(two)).toHaveLength(2);
  });

  test("overwrites nothing, and serves all the same", async () => {
    const path = newPath();
    writeFileSync(path, "of yesterday");
    const log = await serve(path, [chat("What is a canary?")]);
    expect(log).toContain("Requests are not recorded: ");
    expect(log).toContain("--record-trace needs a new file");
    expect(readFileSync(path, "utf8")).toBe("of yesterday");
  });
});
