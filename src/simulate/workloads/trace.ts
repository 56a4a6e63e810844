import * as v from "valibot";
import type { Span } from "../prompt.ts";
import { createSpanIds, type Workload, type WorkloadRequest } from "./workload.ts";

/** Tokens that one of a Mooncake trace's hashes stands for. */
export const TRACE_BLOCK_TOKENS = 512;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const mooncakeLine = v.object({
  timestamp: v.pipe(v.number(), v.minValue(0)),
  input_length: v.pipe(count, v.minValue(1)),
  output_length: count,
  hash_ids: v.array(count),
});

/** A request as a trace tells of it; times in milliseconds since the first. */
export type TraceRequest = Omit<WorkloadRequest, "session" | "answerId">;

const promptOf = (hashIds: readonly number[], tokens: number, nextId: () => number): readonly Span[] => {
  const spans: Span[] = [];
  let left = tokens;
  for (const id of hashIds) {
    if (left <= 0) break;
    spans.push({ id, tokens: Math.min(left, TRACE_BLOCK_TOKENS) });
    left -= TRACE_BLOCK_TOKENS;
  }
  if (left > 0) spans.push({ id: nextId(), tokens: left });
  return spans;
};

/** Ids that no trace uses, for texts of which it tells nothing. */
const createUnknownIds = (): (() => number) => {
  const nextId = createSpanIds();
  return () => 2 ** 52 + nextId();
};

const describeIssue = ([issue]: readonly v.BaseIssue<unknown>[]): string =>
  issue ? `${v.getDotPath(issue) ?? "line"}: ${issue.message}` : "not a request";

const parseMooncake = (lines: readonly string[]): readonly TraceRequest[] => {
  const nextId = createUnknownIds();
  return lines.map((line, index) => {
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch (error) {
      throw new Error(`line ${index + 1} is not JSON`, { cause: error });
    }
    const { success, output, issues } = v.safeParse(mooncakeLine, json);
    if (!success) throw new Error(`line ${index + 1}: ${describeIssue(issues)}`);
    return {
      atMs: output.timestamp,
      prompt: promptOf(output.hash_ids, output.input_length, nextId),
      promptTokens: output.input_length,
      outputTokens: output.output_length,
    };
  });
};

/** Columns of the Azure traces of 2023 and 2024, which tell nothing of contents. */
const AZURE_HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens";

/** Azure writes seven decimals of a second, and only in the later traces a zone. */
const utcOf = (time: string): string => {
  const [, day = "", clock = ""] = /^\s*([\d-]+)[ T]([\d:]+(?:\.\d{1,3})?)/.exec(time) ?? [];
  return `${day}T${clock}Z`;
};

const parseAzure = (lines: readonly string[]): readonly TraceRequest[] => {
  const nextId = createUnknownIds();
  return lines.slice(1).map((line, index) => {
    const [time = "", context, generated] = line.split(",");
    const atMs = Date.parse(utcOf(time));
    const promptTokens = Number(context);
    const outputTokens = Number(generated);
    const isWhole = Number.isSafeInteger(promptTokens) && Number.isSafeInteger(outputTokens);
    if (Number.isNaN(atMs) || !isWhole || promptTokens < 1 || outputTokens < 0) {
      throw new Error(`line ${index + 2} is not "time,prompt tokens,output tokens"`);
    }
    return { atMs, prompt: [{ id: nextId(), tokens: promptTokens }], promptTokens, outputTokens };
  });
};

const shift = (
  requests: readonly TraceRequest[],
  timeOf: (atMs: number) => number,
): readonly TraceRequest[] =>
  requests.map((request) => Object.assign({}, request, { atMs: timeOf(request.atMs) }));

/**
 * Reads a trace: Mooncake's JSON lines (`timestamp` in ms, `input_length`, `output_length`, `hash_ids` of blocks of
 * 512 tokens) or Azure's CSV (`TIMESTAMP,ContextTokens,GeneratedTokens`). Throws a sentence that names the line.
 */
export const parseTrace = (text: string): readonly TraceRequest[] => {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const requests = lines[0]?.trim() === AZURE_HEAD ? parseAzure(lines) : parseMooncake(lines);
  const sorted = requests.toSorted((left, right) => left.atMs - right.atMs);
  const begin = sorted[0]?.atMs;
  if (begin === undefined) throw new Error("it holds no requests");
  return shift(sorted, (atMs) => atMs - begin);
};

/** Replays a trace, `rate` times as fast as it was, with the first `limit` requests. */
export const replay = (
  trace: readonly TraceRequest[],
  { rate, limit = trace.length }: { readonly rate: number; readonly limit?: number | undefined },
): Workload => ({
  arrivals: shift(trace.slice(0, limit), (atMs) => atMs / rate),
});
