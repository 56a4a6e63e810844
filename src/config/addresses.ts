import { BlockList, isIP } from "node:net";
import { quote } from "./schemas.ts";

type Family = "ipv4" | "ipv6";

const familyOf = (address: string): Family | undefined => ({ 4: "ipv4", 6: "ipv6" } as const)[isIP(address)];

/** Tells whether an address is in one of some ranges. */
export type InRanges = (address: string) => boolean;

/** Reads addresses and ranges of them such as `10.0.0.0/8` or `fd00::/8`, or says which is none. */
export const parseRanges = (
  texts: readonly string[],
): { readonly contains: InRanges; readonly refusals: readonly string[] } => {
  const list = new BlockList();
  const refusals: string[] = [];
  for (const text of texts) {
    const [, address = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const family = familyOf(address);
    const most = family === "ipv6" ? 128 : 32;
    if (!family || Number(bits ?? 0) > most) {
      refusals.push(
        `${quote(text)} is no address and no range of them; write it like 10.0.0.0/8 or fd00::/8`,
      );
    } else if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  const contains = (address: string): boolean => {
    const family = familyOf(address);
    return family !== undefined && list.check(address, family);
  };
  return { contains: texts.length === 0 ? () => false : contains, refusals };
};

const loopback = parseRanges(["127.0.0.0/8", "::1"]);

/** Whether a host to listen on can be reached from this machine alone. */
export const isLoopback = (host: string): boolean => host === "localhost" || loopback.contains(host);
