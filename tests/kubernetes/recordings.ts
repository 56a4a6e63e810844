import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../support/binary.ts";
import type { NewObject } from "../support/kube-store.ts";

const folder = join(repository, "tests/fixtures/kubernetes");

/** A file of the recordings of kube-apiserver v1.20.2. */
export const recorded = (file: string): string => readFileSync(join(folder, file), "utf8");

/** A recorded request; the authorization is a word for the token that was sent. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization?: string;
  readonly contentType?: string;
}

const recordedRequests = JSON.parse(recorded("requests.json")) as Readonly<Record<string, RecordedRequest>>;

/** The request of a recording. */
export const requestOf = (name: string): RecordedRequest => {
  const request = recordedRequests[name];
  if (!request) throw new Error(`there is no recording ${name}`);
  return request;
};

/** Status and headers of a recorded answer, names in lower case. */
export const headOf = (name: string): { readonly status: number; readonly headers: Map<string, string> } => {
  const [start = "", ...lines] = recorded(`${name}.headers`).trim().split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  return { status: Number(start.split(" ")[1]), headers };
};

/** A recorded event of a watch. */
export interface RecordedEvent {
  readonly type: string;
  readonly object: NewObject & { readonly metadata: { readonly resourceVersion: string } };
}

/** Events of a watch. */
export const eventsOf = (name: string): readonly RecordedEvent[] =>
  recorded(`${name}.jsonl`)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as RecordedEvent);

/** Items of a list. */
export const itemsOf = (name: string): readonly RecordedEvent["object"][] =>
  (JSON.parse(recorded(`${name}.json`)) as { readonly items: readonly RecordedEvent["object"][] }).items;
