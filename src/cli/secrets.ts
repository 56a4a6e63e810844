import type { Config } from "../config/config.ts";

/** Texts that must not leave the process but for engines; of the keys of clients there is nothing but digests. */
export const secretsOf = ({ engineApiKey, discovery }: Config): readonly string[] => {
  const backends = discovery.kind === "static" ? discovery.backends : [];
  return [engineApiKey, ...backends.map(({ apiKey }) => apiKey)].filter((key) => key !== undefined);
};
