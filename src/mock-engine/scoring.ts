import * as v from "valibot";
import { ApiError } from "./api-error.ts";
import { startPrompts } from "./generation.ts";
import { headerOf } from "./http-message.ts";
import type { EngineParts, Route, Routes } from "./parts.ts";
import { textPrompt } from "./prompts.ts";
import { sendJson } from "./reply.ts";
import { integerField, invalidBody, readBody, textField } from "./request-body.ts";
import { endOfText, hashOf } from "./tokens.ts";

const texts = v.union(
  [v.string(), v.array(v.string())],
  "Input should be a valid string or a list of strings",
);

const scoreRequest = v.looseObject({
  model: textField,
  text_1: v.nullish(texts),
  text_2: v.nullish(texts),
  data_1: v.nullish(texts),
  data_2: v.nullish(texts),
  queries: v.nullish(texts),
  documents: v.nullish(texts),
  items: v.nullish(texts),
});

const rerankRequest = v.looseObject({
  model: textField,
  query: v.string("Input should be a valid string"),
  documents: v.array(v.string("Input should be a valid string"), "Input should be a valid list"),
  top_n: integerField,
});

interface Pair {
  /** Query and document, as the model computes them together. */
  readonly tokens: readonly number[];
  /** From 0 to 1. */
  readonly score: number;
}

const pairOf = (parts: EngineParts, query: string, document: string): Pair => {
  const left = textPrompt(query).tokens;
  const right = textPrompt(document).tokens;
  // A number of its own for each pair, with enough digits to look like a model's.
  const score = hashOf([parts.config.seed, ...left, endOfText, ...right]) / 2 ** 52;
  return { tokens: [...left, ...right], score };
};

const listOf = (value: string | readonly string[]): readonly string[] =>
  typeof value === "string" ? [value] : value;

const sumTokens = (pairs: readonly Pair[]): number => {
  let total = 0;
  for (const { tokens } of pairs) total += tokens.length;
  return total;
};

const scoreRoute =
  (parts: EngineParts): Route =>
  (request, reply) => {
    const body = readBody(request, scoreRequest);
    const model = parts.models.find(body.model);
    const first = body.text_1 ?? body.data_1 ?? body.queries;
    const second = body.text_2 ?? body.data_2 ?? body.documents ?? body.items;
    if (first === null || first === undefined) throw invalidBody(["text_1"], "missing", "Field required");
    if (second === null || second === undefined) throw invalidBody(["text_2"], "missing", "Field required");
    const queries = listOf(first);
    const documents = listOf(second);
    if (documents.length === 0) throw new ApiError(400, "At least one text_pair element must be given");
    if (queries.length !== 1 && queries.length !== documents.length) {
      throw new ApiError(400, "Input lengths must be either 1:1, 1:N or N:N");
    }
    const pairs = documents.map((document, index) =>
      pairOf(parts, queries[queries.length === 1 ? 0 : index] ?? "", document),
    );
    const total = sumTokens(pairs);
    const prompts = pairs.map(({ tokens }) => ({ tokens, salt: model.cacheSalt }));
    startPrompts(parts, reply, prompts, () =>
      sendJson(reply, 200, {
        id: `score-${headerOf(request, "x-request-id") ?? parts.newId()}`,
        object: "list",
        created: Math.floor(parts.clock.now() / 1000),
        model: model.name,
        data: pairs.map(({ score }, index) => ({ index, object: "score", score })),
        usage: {
          prompt_tokens: total,
          total_tokens: total,
          completion_tokens: 0,
          prompt_tokens_details: null,
        },
      }),
    );
  };

const rerankRoute =
  (parts: EngineParts): Route =>
  (request, reply) => {
    const body = readBody(request, rerankRequest);
    const model = parts.models.find(body.model);
    if (body.documents.length === 0) throw new ApiError(400, "At least one document must be given");
    const pairs = body.documents.map((document) => pairOf(parts, body.query, document));
    const total = sumTokens(pairs);
    const limit = body.top_n && body.top_n > 0 ? body.top_n : pairs.length;
    const prompts = pairs.map(({ tokens }) => ({ tokens, salt: model.cacheSalt }));
    startPrompts(parts, reply, prompts, () =>
      sendJson(reply, 200, {
        id: `rerank-${headerOf(request, "x-request-id") ?? parts.newId()}`,
        model: model.name,
        usage: { prompt_tokens: total, total_tokens: total },
        results: pairs
          .map(({ score }, index) => ({
            index,
            document: { text: body.documents[index], multi_modal: null },
            relevance_score: score,
          }))
          .sort((left, right) => right.relevance_score - left.relevance_score)
          .slice(0, limit),
      }),
    );
  };

/** Routes that compare texts; each has its older and newer paths. */
export const scoringRoutes = (parts: EngineParts): Routes => ({
  "POST /score": scoreRoute(parts),
  "POST /v1/score": scoreRoute(parts),
  "POST /rerank": rerankRoute(parts),
  "POST /v1/rerank": rerankRoute(parts),
  "POST /v2/rerank": rerankRoute(parts),
});
