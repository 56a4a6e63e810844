import * as v from "valibot";
import type { EngineFetch } from "../core/engine-fetch.ts";
import { ApiError } from "./api-error.ts";
import type { PlannedAnswer } from "./generation.ts";
import type { Routes } from "./parts.ts";
import { sendError, sendNothing } from "./reply.ts";
import { readBody, type transferField } from "./request-body.ts";
import { hashOf } from "./tokens.ts";

type Params = v.InferOutput<typeof transferField>;

/** What an engine keeps of prompts that it computed for others, and fetches of those that others computed. */
export interface Transfers {
  /** Whether another engine has computed the prompt. */
  readonly isRemote: (params: Params) => boolean;
  /** Fetches it: the plan of an answer without that work. Rejects with a 400 where nothing like it is kept. */
  readonly fetch: (params: Params, plan: PlannedAnswer) => Promise<PlannedAnswer>;
  /** Keeps a computed prompt for another engine, once; what its answer says of that, null where nobody asked. */
  readonly offer: (params: Params, plan: PlannedAnswer) => object | null;
  /** Prompts that are kept. */
  readonly kept: () => number;
  /** Where other engines fetch. */
  readonly routes: Routes;
}

interface TransferOptions {
  /** Absent where the engine computes what it answers, whatever requests say. */
  readonly role: "prefill" | "decode" | undefined;
  readonly host: string;
  readonly port: () => number;
  readonly blockSize: number;
}

/** Prompts that are kept at once; the oldest goes, as one does that nobody fetches in time. */
const MAX_KEPT = 1024;
/** Longest wait for another engine. */
const PATIENCE_MS = 5000;
const PATH = "/mock/transfer";

const pull = v.object({ engine_id: v.string(), block_ids: v.array(v.number()), prompt: v.number() });

const refuse = (why: string): ApiError =>
  new ApiError(400, `The kv_transfer_params match no prefill: ${why}.`, { param: "kv_transfer_params" });

const promptOf = ({ prompt }: PlannedAnswer): number => hashOf(prompt);

/** The part of an engine that hands over the KV cache of prompts, as vLLM's NIXL connector does. */
export const createTransfers = (
  { role, host, port, blockSize }: TransferOptions,
  { fetch, newId }: { readonly fetch: EngineFetch | undefined; readonly newId: () => string },
): Transfers => {
  const kept = new Map<string, number>();
  let engineId: string | undefined;
  let blocks = 0;

  const isRemote = (params: Params): boolean => role === "decode" && params?.do_remote_prefill === true;

  const ask = async (params: NonNullable<Params>, plan: PlannedAnswer): Promise<void> => {
    const { remote_engine_id, remote_block_ids, remote_host, remote_port } = params;
    if (!remote_engine_id || !remote_block_ids || !remote_host || !remote_port)
      throw refuse("an engine, blocks, a host and a port must be named");
    if (!fetch) throw new TypeError("an engine that decodes must be lent a fetch");
    const address = remote_host.includes(":") ? `[${remote_host}]` : remote_host;
    const body = { engine_id: remote_engine_id, block_ids: remote_block_ids, prompt: promptOf(plan) };
    const response = await fetch(`http://${address}:${remote_port}${PATH}`, {
      method: "POST",
      headers: new Headers({ "content-type": "application/json" }),
      body: Buffer.from(JSON.stringify(body)),
      signal: AbortSignal.timeout(PATIENCE_MS),
    }).catch(() => {
      // As vLLM with its kv_load_failure_policy "fail".
      throw new ApiError(500, "KV load failure: the engine that prefilled cannot be reached.");
    });
    await response.body?.cancel();
    if (!response.ok) throw refuse("the engine has not computed this prompt, or it was fetched before");
  };

  return {
    isRemote,
    fetch: async (params, plan) => {
      await ask(params ?? {}, plan);
      return { ...plan, isFetched: true };
    },
    offer: (params, plan) => {
      if (role !== "prefill" || params?.do_remote_decode !== true) return null;
      engineId ??= newId();
      const count = Math.ceil(plan.prompt.length / blockSize);
      const ids = Array.from({ length: count }, () => (blocks += 1));
      const [oldest] = kept.keys();
      if (oldest !== undefined && kept.size >= MAX_KEPT) kept.delete(oldest);
      kept.set(ids.join(), promptOf(plan));
      return {
        do_remote_prefill: true,
        do_remote_decode: false,
        remote_engine_id: engineId,
        remote_block_ids: ids,
        remote_host: host,
        remote_port: port(),
        tp_size: 1,
      };
    },
    kept: () => kept.size,
    routes: {
      [`POST ${PATH}`]: (request, reply) => {
        const { engine_id, block_ids, prompt } = readBody(request, pull);
        const key = block_ids.join();
        if (engine_id !== engineId || kept.get(key) !== prompt)
          return sendError(reply, new ApiError(404, "No such prompt is kept."));
        kept.delete(key);
        sendNothing(reply);
      },
    },
  };
};
