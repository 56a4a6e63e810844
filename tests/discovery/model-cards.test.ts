import { describe, expect, test } from "bun:test";
import { fetchModelCards } from "../../src/discovery/model-cards.ts";
import { createTestClock } from "../support/clock.ts";
import { createFakeEngines } from "./engines.ts";

const URL = "http://engine:8000/prefix";

const cardsFrom = async (answer: () => Response, apiKey?: string) => {
  const engines = createFakeEngines(createTestClock());
  engines.answer(URL, answer);
  const cards = await fetchModelCards(
    URL,
    { fetch: engines.fetch, apiKey },
    new AbortController().signal,
  ).catch((error: unknown) => error);
  return { cards, ask: engines.asks[0] };
};

describe("the cards of an engine", () => {
  test("are those of its answer, with every field", async () => {
    const data = [{ id: "m", max_model_len: 4096, permission: [{ id: "p" }], parent: null }, { id: "n" }];
    const { cards } = await cardsFrom(() => Response.json({ object: "list", data, more: 1 }));
    expect(cards).toEqual(data);
  });

  test("are asked for without Authorization where no key is configured", async () => {
    const { ask } = await cardsFrom(() => Response.json({ data: [] }));
    expect(ask?.request.headers.has("authorization")).toBe(false);
    expect(ask?.request.headers.get("user-agent")).toBe("vllm-router");
  });

  test.each([
    ["an error", () => new Response("secret detail", { status: 503 }), "/v1/models answered 503"],
    [
      "a want of its key",
      () => new Response("secret detail", { status: 401 }),
      "/v1/models answered 401 (engines are given the key of VLLM_API_KEY)",
    ],
    [
      "a redirect",
      () => new Response(null, { status: 302, headers: { location: "/x" } }),
      "/v1/models answered 302",
    ],
    ["no JSON", () => new Response("<html>secret</html>"), undefined],
    [
      "no list",
      () => Response.json({ data: {} }),
      "/v1/models answered with something that is not a list of models",
    ],
    [
      "a card without id",
      () => Response.json({ data: [{}] }),
      "/v1/models answered with something that is not a list of models",
    ],
    [
      "a card with another id",
      () => Response.json({ data: [{ id: 7 }] }),
      "/v1/models answered with something that is not a list of models",
    ],
    ["null", () => Response.json(null), "/v1/models answered with something that is not a list of models"],
  ])("cannot be had from %s, and the message quotes nothing of it", async (_what, answer, message) => {
    const { cards } = await cardsFrom(answer, "key-7f");
    expect(cards).toBeInstanceOf(Error);
    if (message !== undefined) expect(cards).toHaveProperty("message", message);
    expect(String(cards)).not.toMatch(/secret|key-7f/);
  });

  test("leave nothing to read where the engine refuses them", async () => {
    let isCancelled = false;
    const body = new ReadableStream({ cancel: () => void (isCancelled = true) });
    await cardsFrom(() => new Response(body, { status: 500 }));
    expect(isCancelled).toBe(true);
  });
});
