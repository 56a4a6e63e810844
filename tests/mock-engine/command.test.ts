import { expect, test } from "bun:test";
import * as v from "valibot";
import { flagName } from "../../src/core/option.ts";
import { runMockEngine } from "../../src/mock-engine/command.ts";
import { defaultMockEngineConfig, mockEngineOptions } from "../../src/mock-engine/options.ts";
import { engineFetch, systemClock } from "../../src/platform.ts";
import { startEngine } from "./started.ts";

test("the command says where it listens, serves, and ends with its signal", async () => {
  const ending = new AbortController();
  const { promise: printed, resolve } = Promise.withResolvers<string>();
  const running = runMockEngine(
    { ...defaultMockEngineConfig(), port: 0 },
    { clock: systemClock, fetch: engineFetch, write: resolve, signal: ending.signal },
  );
  const [, url] = /^listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(await printed) ?? [];
  expect((await fetch(`${url}/health`)).status).toBe(200);
  ending.abort();
  await running;
  const error: unknown = await fetch(`${url}/health`).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TypeError);
});

test("a port in use is an error", async () => {
  await using engine = startEngine();
  const values = { ...defaultMockEngineConfig(), port: engine.port };
  const deps = {
    clock: systemClock,
    fetch: engineFetch,
    write: () => {},
    signal: new AbortController().signal,
  };
  const error: unknown = await runMockEngine(values, deps).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ message: `cannot listen on 127.0.0.1:${engine.port}: EADDRINUSE` });
});

test("an address of IPv6 is a URL too", async () => {
  await using engine = startEngine({ host: "::1" });
  expect(engine.url).toBe(`http://[::1]:${engine.port}`);
  expect((await fetch(`${engine.url}/health`)).status).toBe(200);
});

test("the model's length is at most what the cache holds", async () => {
  await using engine = startEngine({ numGpuBlocks: 11, blockSize: 16 });
  const { data } = (await (await fetch(`${engine.url}/v1/models`)).json()) as {
    data: [{ max_model_len: number }];
  };
  expect(data[0].max_model_len).toBe(160);
});

test("every option has a default that its own schema reads, and flags have vLLM's names where it has them", () => {
  expect(defaultMockEngineConfig()).toMatchObject({
    port: 8000,
    servedModelName: ["mock-model"],
    maxNumBatchedTokens: 8192,
    maxNumSeqs: 256,
    blockSize: 16,
    numGpuBlocks: 32_768,
    prefillTokensPerSecond: 8000,
    decodeMs: 6,
    decodeMsPerSeq: 0.35,
    timeScale: 1,
    legacyMetrics: false,
    fault: undefined,
    apiKey: undefined,
  });
  const flags = Object.keys(mockEngineOptions).map(flagName);
  expect(flags).toContainValues([
    "served-model-name",
    "max-num-batched-tokens",
    "max-num-seqs",
    "max-model-len",
  ]);
});

test.each([
  ["servedModelName", ""],
  ["servedModelName", "a,,b"],
  ["port", "65536"],
  ["numGpuBlocks", "1"],
  ["timeScale", "-1"],
  ["faultScope", "none"],
  ["fault", "explode"],
] as const)("%s does not take %p", (name, value) => {
  expect(v.safeParse(mockEngineOptions[name].schema, value).success).toBe(false);
});
