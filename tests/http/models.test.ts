import { describe, expect, test } from "bun:test";
import type { Endpoint, ModelCard } from "../../src/core/endpoint.ts";
import { listModels } from "../../src/http/models.ts";

const CREATED_AT = 1_700_000_000;

const engine = (id: string, models: readonly string[], cards?: readonly ModelCard[]): Endpoint => ({
  id,
  url: `http://${id}`,
  models,
  addedAt: 0,
  ...(cards ? { cards } : {}),
});

const listed = (endpoints: readonly Endpoint[], aliases: Readonly<Record<string, string>> = {}) =>
  listModels({ endpoints }, new Map(Object.entries(aliases)), CREATED_AT);

const plain = (id: string) => ({
  id,
  object: "model",
  created: CREATED_AT,
  owned_by: "vllm",
  root: null,
  parent: null,
});

describe("the list of models", () => {
  test("has a plain card for each configured model, the same at every call", () => {
    const endpoints = [engine("a", ["m", "n"]), engine("b", ["m"])];
    expect(listed(endpoints)).toEqual({ object: "list", data: [plain("m"), plain("n")] });
    expect(JSON.stringify(listed(endpoints))).toBe(JSON.stringify(listed(endpoints)));
  });

  test("is empty where no engine serves any", () => {
    expect(listed([], { alias: "m" })).toEqual({ object: "list", data: [] });
  });

  test("keeps every field that an engine reports, and fills in those that are missing", () => {
    const card = {
      id: "m",
      created: 7,
      owned_by: "me",
      root: "/models/m",
      max_model_len: 4096,
      permission: [{ id: "p" }],
      x: null,
    };
    expect(listed([engine("a", ["m"], [card])]).data).toEqual([{ ...plain("m"), ...card }]);
    expect(listed([engine("a", ["m"], [{ id: "m" }])]).data).toEqual([plain("m")]);
  });

  test("has one card for each id: the first engine's", () => {
    const cards = [1, 2].map((length) => [{ id: "m", max_model_len: length }]);
    expect(
      listed([engine("a", ["m"], cards[0]), engine("b", ["m"], cards[1]), engine("c", ["m"])]).data,
    ).toEqual([{ ...plain("m"), max_model_len: 1 }]);
  });

  test("begins each card with its id", () => {
    expect(Object.keys(listed([engine("a", ["m"], [{ owned_by: "x", id: "m" }])]).data[0] ?? {})[0]).toBe(
      "id",
    );
  });
});

describe("an alias", () => {
  test("is listed with the card of its model, which it names as its root", () => {
    const { data } = listed([engine("a", ["m"], [{ id: "m", max_model_len: 4096, root: "/models/m" }])], {
      gpt4: "m",
    });
    expect(data).toEqual([
      { ...plain("m"), max_model_len: 4096, root: "/models/m" },
      { ...plain("gpt4"), max_model_len: 4096, root: "m" },
    ]);
  });

  test("of a model that nobody serves is not listed", () => {
    expect(listed([engine("a", ["m"])], { gpt4: "gone" }).data).toEqual([plain("m")]);
  });

  test("with the name of a model does not hide it", () => {
    expect(listed([engine("a", ["m", "n"])], { n: "m" }).data).toEqual([plain("m"), plain("n")]);
  });
});
