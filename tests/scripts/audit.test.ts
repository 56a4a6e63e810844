import { expect, test } from "bun:test";
import { join } from "node:path";
import { repository } from "../support/binary.ts";

type Answer = (packages: Readonly<Record<string, unknown>>) => Response;

/** Runs the audit against a registry that answers so. */
const audit = async (answer: Answer) => {
  using registry = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => {
      const text = Buffer.from(Bun.gunzipSync(await request.arrayBuffer())).toString();
      return answer(JSON.parse(text) as Readonly<Record<string, unknown>>);
    },
  });
  const child = Bun.spawn([process.execPath, join(repository, "scripts/audit.ts")], {
    env: { ...process.env, npm_config_registry: registry.url.href, BUN_CONFIG_REGISTRY: registry.url.href },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = (await child.stdout.text()).trimEnd().split("\n");
  return { exitCode: await child.exited, lines };
};

const advisory = (severity: string) => ({
  id: 1,
  url: "https://example.com/GHSA-1",
  title: "takes anything",
  severity,
  vulnerable_versions: "<99",
});

test("an advisory of high severity fails", async () => {
  const { exitCode, lines } = await audit((packages) => {
    expect(packages).toHaveProperty("hono");
    return Response.json({ hono: [advisory("high")] });
  });
  expect({ exitCode, lines }).toEqual({
    exitCode: 1,
    lines: ["high hono: takes anything (https://example.com/GHSA-1)"],
  });
});

test("a lesser one is told", async () => {
  expect(await audit(() => Response.json({ hono: [advisory("moderate")] }))).toEqual({
    exitCode: 0,
    lines: ["moderate hono: takes anything (https://example.com/GHSA-1)"],
  });
});

test("none is good", async () => {
  expect(await audit(() => Response.json({}))).toEqual({
    exitCode: 0,
    lines: ["No advisory is known for any package."],
  });
});

test.each([
  ["refuses", () => new Response("", { status: 405 })],
  ["talks of something else", () => new Response("<html>")],
])("a registry that %s is said, and fails nothing", async (_what, answer) => {
  const { exitCode, lines } = await audit(answer);
  expect({ exitCode, first: lines[0] }).toEqual({
    exitCode: 0,
    first: expect.stringContaining("Nobody could be asked for advisories: "),
  });
});
