import { describe, expect, test } from "bun:test";
import { APIError } from "openai";
import { Stream } from "openai/core/streaming";
import { RouterError } from "../../src/core/errors.ts";
import { failureEvent } from "../../src/proxy/failure-event.ts";

const timeout = new RouterError("upstream_timeout", "Too late.");

/** Has OpenAI's library read a stream that says why it is cut. */
const readByOpenAi = async (path: string): Promise<void> => {
  const body = `data: {"n":1}\n\n${failureEvent(path, timeout).toString()}`;
  const seen: unknown[] = [];
  for await (const event of Stream.fromSSEResponse(new Response(body), new AbortController()))
    seen.push(event);
  throw new Error(`no error among ${JSON.stringify(seen)}`);
};

describe("why a stream is cut is told", () => {
  test.each(["/v1/chat/completions", "/v1/completions", "/v1/audio/speech"])(
    "as OpenAI's error on %s, which its library throws",
    async (path) => {
      const error: unknown = await readByOpenAi(path).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(APIError);
      expect(error).toMatchObject({ code: "upstream_timeout", type: "upstream_error" });
      expect(String(error)).toContain("Too late.");
    },
  );

  test("as the error event of OpenAI's responses, which its library throws as well", async () => {
    const error: unknown = await readByOpenAi("/v1/responses").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({
      error: { type: "error", code: "upstream_timeout", message: "Too late.", param: null },
    });
  });

  test("as Anthropic's error among its messages", () => {
    const [event = "", data = ""] = failureEvent("/v1/messages", timeout).toString().trim().split("\n");
    expect(event).toBe("event: error");
    expect(JSON.parse(data.replace(/^data: /, ""))).toEqual({
      type: "error",
      error: { type: "api_error", message: "Too late." },
    });
  });

  test("as its engine's fault where no reason is given, apart from what the engine broke off in", () => {
    for (const path of ["/v1/completions", "/v1/messages", "/v1/responses"]) {
      const text = failureEvent(path).toString();
      expect(text).toStartWith("\n\n");
      expect(text).toEndWith("\n\n");
      expect(text).toContain("The engine broke off while it was answering.");
    }
  });
});
