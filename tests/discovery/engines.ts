import type { Clock } from "../../src/core/clock.ts";
import type { EngineFetch, EngineRequest } from "../../src/core/engine-fetch.ts";
import { createLog, type Log } from "../../src/core/log.ts";

/** A question that an engine was asked. */
export interface Ask {
  readonly url: string;
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly request: EngineRequest;
}

/** What engines answer, by a fetch that reaches no network. */
export interface FakeEngines {
  readonly fetch: EngineFetch;
  readonly asks: readonly Ask[];
  /** Sets what the engine at the base URL does from now on, for its models unless told otherwise; the rest refuses. */
  readonly answer: (baseUrl: string, how: () => Response | Promise<Response>, path?: string) => void;
}

/** Engines that refuse connections until a test says otherwise. */
export const createFakeEngines = (clock: Clock): FakeEngines => {
  const asks: Ask[] = [];
  const answers = new Map<string, () => Response | Promise<Response>>();
  return {
    asks,
    answer: (baseUrl, how, path = "/v1/models") => answers.set(`${baseUrl}${path}`, how),
    fetch: async (url, request) => {
      asks.push({ url, at: clock.monotonic(), request });
      const { signal } = request;
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      aborted.catch(() => {});
      signal.addEventListener("abort", () => reject(signal.reason));
      const refuse = async (): Promise<Response> =>
        Promise.reject(Object.assign(new TypeError("refused"), { code: "ECONNREFUSED" }));
      return Promise.race([(answers.get(url) ?? refuse)(), aborted]);
    },
  };
};

/** An answer that never comes. */
export const hanging = async (): Promise<Response> => Promise.withResolvers<Response>().promise;

/** The answer of an engine that serves these models; vLLM makes `created` and `permission` anew each time. */
export const serving =
  (...models: readonly string[]) =>
  (): Response =>
    Response.json({
      object: "list",
      data: models.map((id) => ({
        id,
        object: "model",
        created: (created += 1),
        owned_by: "vllm",
        max_model_len: 4096,
        permission: [{ id: `modelperm-${created}`, object: "model_permission", created }],
      })),
    });
let created = 1_700_000_000;

/** A log whose lines a test reads. */
export const createTestLog = (clock: Clock): { readonly log: Log; readonly lines: string[] } => {
  const lines: string[] = [];
  const write = (_stream: string, line: string) => lines.push(line);
  return { log: createLog({ level: "debug", format: "text" }, { clock, write }), lines };
};
