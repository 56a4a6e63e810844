import { expect, test } from "bun:test";
import { inflateSync } from "node:zlib";
import { dummyRequest, isModelType, modelTypes, silentWav } from "../../src/health/payloads.ts";

const hello = { messages: [{ role: "user", content: "Hello" }], temperature: 0, max_tokens: 3 };

test.each([
  ["chat", "/v1/chat/completions", hello],
  ["messages", "/v1/messages", hello],
  ["completion", "/v1/completions", { prompt: "Hello", max_tokens: 3 }],
  ["embeddings", "/v1/embeddings", { input: "Hello" }],
  ["rerank", "/v1/rerank", { query: "Hello", documents: ["Test"] }],
  ["score", "/v1/score", { encoding_format: "float", text_1: "Test", text_2: "Test2" }],
] as const)("a model of the type %s is asked at %s", async (type, path, fields) => {
  const request = await dummyRequest(type, 'a "model"');
  expect(request).toMatchObject({ path, contentType: "application/json", expectsJson: true });
  expect(JSON.parse(new TextDecoder().decode(request.body))).toEqual({ model: 'a "model"', ...fields });
});

test("a model that sees is shown an image, without limits on its answer", async () => {
  const { path, body } = await dummyRequest("vision", "m");
  expect(path).toBe("/v1/chat/completions");
  const { messages, ...rest } = JSON.parse(new TextDecoder().decode(body)) as {
    readonly messages: readonly [{ readonly content: readonly [object, { image_url: { url: string } }] }];
  };
  expect(rest).toEqual({ model: "m" });
  const [words, image] = messages[0].content;
  expect(words).toEqual({ type: "text", text: "This is a test. Just reply with yes" });
  const [, encoded = ""] = /^data:image\/png;base64,(.*)$/.exec(image.image_url.url) ?? [];
  const png = Buffer.from(encoded, "base64");
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([32, 32]);
  const data = png.indexOf("IDAT");
  // One byte for the filter before the 32 grey values of each line.
  const pixels = inflateSync(png.subarray(data + 4, data + 4 + png.readUInt32BE(data - 4)));
  expect(pixels).toEqual(Buffer.concat(Array(32).fill(Buffer.from([0, ...Array(32).fill(0xff)]))));
});

test("a model that transcribes gets a tenth of a second of silence, as a form", async () => {
  const { path, contentType, body, expectsJson } = await dummyRequest("transcription", "whisper");
  expect([path, expectsJson]).toEqual(["/v1/audio/transcriptions", false]);
  const form = await new Response(body, { headers: { "content-type": contentType } }).formData();
  expect(form.get("model")).toBe("whisper");
  const file = form.get("file");
  if (!(file instanceof File)) throw new Error("the form has no file");
  expect([file.name, file.size]).toEqual(["empty.wav", 3244]);
  expect(Buffer.from(await file.arrayBuffer())).toEqual(silentWav());
});

test("the silence is a WAV of 16 kHz, mono, 16 bits", () => {
  const wav = silentWav();
  expect(wav.toString("latin1", 0, 4) + wav.toString("latin1", 8, 16)).toBe("RIFFWAVEfmt ");
  expect([wav.readUInt32LE(4), wav.readUInt32LE(16), wav.readUInt16LE(20)]).toEqual([3236, 16, 1]);
  expect([wav.readUInt16LE(22), wav.readUInt32LE(24), wav.readUInt32LE(28)]).toEqual([1, 16_000, 32_000]);
  expect([wav.readUInt16LE(32), wav.readUInt16LE(34), wav.readUInt32LE(40)]).toEqual([2, 16, 3200]);
  expect(wav.subarray(44).every((byte) => byte === 0)).toBe(true);
});

test("the words of the types are known, and no others", () => {
  expect(modelTypes.every(isModelType)).toBe(true);
  expect(["", "Chat", "toString"].some(isModelType)).toBe(false);
});
