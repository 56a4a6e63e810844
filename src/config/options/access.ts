import type { OptionTable } from "../../core/option.ts";
import { commaList } from "../schemas.ts";

/** Who may use the router, and as whom it asks engines. */
export const accessOptions = {
  apiKey: {
    group: "Access",
    argument: "<keys>",
    schema: commaList,
    repeats: true,
    secret: true,
    help: "Keys of which clients must present one, as Authorization: Bearer or x-api-key; comma-separated, each a key or name:key. With keys the clients' own credentials do not go on to engines, VLLM_API_KEY does. A flag shows in the list of processes: prefer the variable or --api-key-file.",
  },
  apiKeyFile: {
    group: "Access",
    argument: "<files>",
    schema: commaList,
    repeats: true,
    help: "Files with such keys, one key or name:key a line; followed while the router runs. Nobody else may be able to write them.",
  },
  trustedProxies: {
    group: "Access",
    argument: "<ranges>",
    schema: commaList,
    help: "Addresses of proxies in front, such as 10.0.0.0/8, comma-separated: X-Forwarded-For and -Proto of theirs go on, with their own address appended; those of others are replaced.",
  },
  staticBackendApiKeys: {
    group: "Access",
    argument: "<keys>",
    schema: commaList,
    secret: true,
    help: "Key that each backend gets with every request instead of VLLM_API_KEY and of what clients present, comma-separated, in the order of --static-backends; an empty one is none.",
  },
} as const satisfies OptionTable;
