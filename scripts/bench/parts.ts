/** A part of the router, as a relay can be given it. */
interface Part {
  readonly name: string;
  readonly summary: string;
}

/** In the order of a request's way; in the ablation each comes on top of those before it. */
export const parts = [
  {
    name: "client",
    summary: "requests go over connections of its own, and an answer is relayed as it comes",
  },
  {
    name: "entrance",
    summary: "the Host is looked at, the request has an id and ends when its client leaves",
  },
  { name: "call", summary: "the body has so long to come and is parsed for its model" },
  { name: "policy", summary: "an engine is chosen by the session" },
  {
    name: "heads",
    summary: "fields that are not for engines or clients are left out, and the client's address is told",
  },
  { name: "log", summary: "a line in the log" },
  { name: "tokens", summary: "the end of an answer is read for its tokens" },
] as const satisfies readonly Part[];

/** The name of a part. */
export type PartName = (typeof parts)[number]["name"];

/** The last part without which there is no router that chooses by what a request says. */
export const LAST_NEEDED: PartName = "heads";
