import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkAnswers } from "../../../scripts/bench/check-answers.ts";
import { freePorts, startChild } from "../../../scripts/bench/child.ts";
import { parts } from "../../../scripts/bench/parts.ts";
import { workloads } from "../../../scripts/bench/workloads.ts";

const scripts = join(import.meta.dir, "../../../scripts/bench");

test.each(parts.map(({ name }) => name))(
  "a relay with the parts up to '%s' answers as the engine does",
  async (part) => {
    const folder = await mkdtemp(join(tmpdir(), "parts-relay-"));
    await using children = new AsyncDisposableStack();
    children.defer(async () => rm(folder, { recursive: true, force: true }));
    const [port = 0, engine = 0] = freePorts(2);
    const start = async (script: string, on: number, ...args: readonly string[]) =>
      children.use(
        await startChild({
          name: script,
          command: [process.execPath, join(scripts, script), ...args],
          cwd: folder,
          outputFile: join(folder, `${script}.log`),
          ports: [on],
        }),
      );
    await start("fixed-engine.ts", engine, String(engine));
    await start("parts-relay.ts", port, String(port), part, `http://127.0.0.1:${engine}`);
    const url = `http://127.0.0.1:${port}`;
    const checks = workloads.map(async (workload) => checkAnswers(url, workload));
    expect(await Promise.all(checks)).toHaveLength(workloads.length);
  },
);
