import { createMockEngine, type MockEngine } from "../../src/mock-engine/engine.ts";
import type { MockEngineConfig } from "../../src/mock-engine/options.ts";
import { engineFetch, systemClock } from "../../src/platform.ts";

/** An engine that answers at once, in the system's time unless another clock is given. */
export const startEngine = (options: Partial<MockEngineConfig> = {}, clock = systemClock): MockEngine =>
  createMockEngine(
    { timeScale: 0, ...options },
    { clock, fetch: engineFetch, log: { error: (message) => defects.push(message) } },
  );

/** Defects that engines have reported; a test that expects none checks that it is empty. */
export const defects: string[] = [];

/** Sends a JSON body. */
export const post = async (
  engine: MockEngine,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> =>
  fetch(engine.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

/** An answer's status and JSON body. */
export const read = async (response: Response): Promise<{ status: number; body: unknown }> => ({
  status: response.status,
  body: await response.json(),
});

/** A server-sent event. */
export interface ServerEvent {
  readonly event?: string | undefined;
  readonly data: unknown;
}

/** The events of a whole stream; `[DONE]` stays text. */
export const eventsOf = (text: string): readonly ServerEvent[] =>
  text
    .split("\n\n")
    .slice(0, -1)
    .map((block) => {
      const [, event, data = ""] = /^(?:event: (.*)\n)?data: (.*)$/.exec(block) ?? [];
      return { event, data: data === "[DONE]" ? data : JSON.parse(data) };
    });

/** Waits until `condition` holds; fails after ten seconds. */
export const until = async (condition: () => boolean): Promise<void> => {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ten seconds: ${condition.toString()}`);
    await Bun.sleep(1);
  }
};
