import { expect, test } from "bun:test";
import OpenAI, { NotFoundError } from "openai";
import { startEngine } from "./started.ts";

const messages = [{ role: "user" as const, content: "hello there" }];

test("OpenAI's own client understands every answer", async () => {
  await using engine = startEngine({ apiKey: "secret", servedModelName: ["m"] });
  const client = new OpenAI({ baseURL: `${engine.url}/v1`, apiKey: "secret", maxRetries: 0 });

  const chat = await client.chat.completions.create({ model: "m", messages });
  expect(chat.choices[0]?.finish_reason).toBe("stop");
  const stream = await client.chat.completions.create({
    model: "m",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let usage: unknown;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  expect(text).toBe(chat.choices[0]?.message.content ?? "");
  expect(usage).toMatchObject({ completion_tokens: chat.usage?.completion_tokens });

  const completion = await client.completions.create({ model: "m", prompt: "once", max_tokens: 3 });
  expect(completion.choices[0]?.finish_reason).toBe("length");
  // The client asks for base64 by itself and decodes it.
  const embeddings = await client.embeddings.create({ model: "m", input: ["a", "b"] });
  expect(embeddings.data.map(({ embedding }) => embedding.length)).toEqual([64, 64]);

  const whole = await client.responses.create({ model: "m", input: "hello" });
  let streamed = "";
  for await (const event of await client.responses.create({ model: "m", input: "hello", stream: true })) {
    if (event.type === "response.output_text.delta") streamed += event.delta;
  }
  expect(whole.output_text).toBe(streamed);

  const file = new File([new Uint8Array(1000)], "a.wav");
  const { text: heard } = await client.audio.transcriptions.create({ model: "m", file });
  expect(heard.length).toBeGreaterThan(0);
  const speech = await client.audio.speech.create({
    model: "m",
    voice: "alloy",
    input: "hi",
    response_format: "wav",
  });
  expect((await speech.bytes()).length).toBe(640);

  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["m"]);
  const refused: unknown = await client.chat.completions
    .create({ model: "nope", messages })
    .catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(NotFoundError);
});
