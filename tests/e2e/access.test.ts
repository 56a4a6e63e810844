import { expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtBinary } from "../support/binary.ts";
import { startEngineProcess, staticArgs } from "../support/processes.ts";
import { startChild } from "../cli/child.ts";

const OLD = "canary-of-the-old-client";
const NEW = "canary-of-the-new-client";
const ENGINE = "canary-of-the-engine";

test("a file of keys is followed on SIGHUP; engines see the router's key; no key is in anything that is written", async () => {
  const folder = await mkdtemp(join(tmpdir(), "router-access-"));
  await using parts = new AsyncDisposableStack();
  parts.defer(async () => rm(folder, { recursive: true }));
  const path = join(folder, "keys");
  await Bun.write(path, `alice:${OLD}\n`);
  await chmod(path, 0o600);

  await using engine = await startEngineProcess([
    "--served-model-name=m",
    `--api-key=${ENGINE}`,
    "--time-scale=0",
  ]);
  const args = [
    "--host=127.0.0.1",
    "--port=0",
    "--drain-delay-seconds=0",
    "--log-level=debug",
    "--routing-logic=roundrobin",
    `--api-key-file=${path}`,
    ...staticArgs([["m", engine.url]]),
  ];
  await using router = startChild(args, { VLLM_API_KEY: ENGINE }, [await builtBinary()]);
  const [, url = ""] = /listens on (http:\/\/[^ ]*\d)/.exec(await router.until(/listens on .*/)) ?? [];
  const complete = async (key: string): Promise<number> => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const body = JSON.stringify({ model: "m", prompt: "x", max_tokens: 1 });
    const answer = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
    await answer.text();
    return answer.status;
  };
  expect([await complete(OLD), await complete(NEW)]).toEqual([200, 401]);

  await Bun.write(path, `alice:${NEW}\n`);
  router.kill("SIGHUP");
  await router.until(/The keys of \S+ have changed: 1 key/);
  expect([await complete(OLD), await complete(NEW)]).toEqual([401, 200]);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toContain('vllm_router_authorized_requests_total{key="alice"} 2');

  router.kill("SIGTERM");
  expect(await router.exited).toBe(0);
  const written = metrics + (await router.text("stdout")) + (await router.text("stderr"));
  expect(written).not.toContain("canary");
}, 20_000);
