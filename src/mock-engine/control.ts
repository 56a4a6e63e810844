import * as v from "valibot";
import { ApiError } from "./api-error.ts";
import type { EngineParts, Routes } from "./parts.ts";
import { sendJson, sendNothing, type Reply } from "./reply.ts";
import { readBody, textField } from "./request-body.ts";
import type { Scheduler } from "./scheduler.ts";

const adapterRequest = v.looseObject({
  lora_name: textField,
  lora_path: textField,
  load_inplace: v.nullish(v.boolean()),
});

const refuseInput = (message: string): ApiError => new ApiError(400, message, { type: "InvalidUserInput" });

const sendText = (reply: Reply, text: string): void => {
  reply.head(200, { length: Buffer.byteLength(text) });
  reply.write(text);
  reply.end();
};

/** Routes with which an operator changes what the engine does: sleep, adapters, the prefix cache. */
export const controlRoutes = (parts: EngineParts, deps: { readonly scheduler: Scheduler }): Routes => {
  const { loop, models } = parts;
  let isAsleep = false;
  return {
    "POST /sleep": (request, reply) => {
      const query = new URLSearchParams(request.target.slice(request.path.length));
      const mode = query.get("mode") ?? "abort";
      if (mode !== "abort" && mode !== "keep") {
        throw new ApiError(400, `This simulated engine sleeps in the modes abort and keep, not ${mode}.`, {
          param: "mode",
        });
      }
      isAsleep = true;
      loop.pause();
      if (mode === "abort") loop.abortAll();
      deps.scheduler.resetPrefixCache();
      sendNothing(reply);
    },
    "POST /wake_up": (_request, reply) => {
      isAsleep = false;
      loop.resume();
      sendNothing(reply);
    },
    "GET /is_sleeping": (_request, reply) => sendJson(reply, 200, { is_sleeping: isAsleep }),
    "POST /reset_prefix_cache": (_request, reply) => {
      deps.scheduler.resetPrefixCache();
      sendNothing(reply);
    },

    "POST /v1/load_lora_adapter": (request, reply) => {
      const { lora_name, lora_path, load_inplace } = readBody(request, adapterRequest);
      if (!lora_name || !lora_path) throw refuseInput("Both 'lora_name' and 'lora_path' must be provided.");
      if (models.has(lora_name) && load_inplace !== true) {
        throw refuseInput(
          `The lora adapter '${lora_name}' has already been loaded. If you want to load the adapter in place, set ` +
            "'load_inplace' to True.",
        );
      }
      models.load(lora_name, lora_path);
      sendText(reply, `Success: LoRA adapter '${lora_name}' added successfully.`);
    },
    "POST /v1/unload_lora_adapter": (request, reply) => {
      const { lora_name } = readBody(request, adapterRequest);
      if (!lora_name) throw refuseInput("'lora_name' needs to be provided to unload a LoRA adapter.");
      if (!models.unload(lora_name)) {
        throw new ApiError(404, `The lora adapter '${lora_name}' cannot be found.`);
      }
      sendText(reply, `Success: LoRA adapter '${lora_name}' removed successfully.`);
    },
  };
};
