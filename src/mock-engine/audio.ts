import * as v from "valibot";
import { planAnswer, startAnswer, startPrompts, usageOf } from "./generation.ts";
import { headerOf, type HttpRequest } from "./http-message.ts";
import type { EngineParts, Route, Routes } from "./parts.ts";
import { textPrompt } from "./prompts.ts";
import { openStream, send, sendJson, type Reply } from "./reply.ts";
import { invalidBody, readBody, textField } from "./request-body.ts";
import { hashOf, tokenize } from "./tokens.ts";

// 16-bit samples at 16 kHz, and 50 encoder frames a second, as Whisper has them.
const bytesPerSecond = 32_000;
const tokensPerSecond = 50;

interface Upload {
  readonly audio: Buffer;
  readonly field: (name: string) => string | undefined;
}

const readUpload = async (request: HttpRequest): Promise<Upload> => {
  const type = headerOf(request, "content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(type)) throw invalidBody(["file"], "missing", "Field required");
  const form = await new Response(request.body, { headers: { "content-type": type } })
    .formData()
    .catch(() => {
      throw invalidBody([], "multipart", "There was an error parsing the body");
    });
  const file = form.get("file");
  if (file === null) throw invalidBody(["file"], "missing", "Field required");
  if (typeof file === "string")
    throw invalidBody(["file"], "value_error", "Expected UploadFile, received: <class str>");
  return {
    audio: Buffer.from(await file.arrayBuffer()),
    field: (name) => {
      const value = form.get(name);
      return typeof value === "string" ? value : undefined;
    },
  };
};

/** Speech to text: the words depend on the seed and the sound alone. */
const speechToText = async (
  parts: EngineParts,
  request: HttpRequest,
  reply: Reply,
  task: "transcription" | "translation",
): Promise<void> => {
  const { audio, field } = await readUpload(request);
  const model = parts.models.find(field("model"));
  const seconds = Math.max(1, Math.ceil(audio.length / bytesPerSecond));
  const sound = hashOf(tokenize(Bun.SHA256.hash(audio, "hex")));
  const prompt = Array.from({ length: seconds * tokensPerSecond }, (_, index) => sound + index);
  const plan = planAnswer(parts, { prompt, model });
  const isStream = /^(?:true|1)$/i.test(field("stream") ?? "");
  const includesUsage = /^(?:true|1)$/i.test(field("stream_include_usage") ?? "");
  const isVerbose = field("response_format") === "verbose_json";
  const head = {
    id: `${task === "transcription" ? "trsc" : "trsl"}-${headerOf(request, "x-request-id") ?? parts.newId()}`,
    object: `${task}.chunk`,
    created: Math.floor(parts.clock.now() / 1000),
    model: model.name,
  };

  let text = "";
  const generation = startAnswer(parts, reply, plan, (step) => {
    text += step.text;
    if (isStream) {
      const choice = {
        delta: { content: step.text },
        finish_reason: step.finish?.reason ?? null,
        ...(step.finish ? { stop_reason: step.finish.stopReason } : {}),
      };
      reply.write(`data: ${JSON.stringify({ ...head, choices: [choice] })}\n\n`);
    }
    if (!step.finish) return;
    if (!isStream) {
      const usage = { type: "duration", seconds };
      const duration = { duration: String(seconds), language: field("language") ?? "en" };
      return sendJson(
        reply,
        200,
        isVerbose ? { ...duration, text, segments: null, words: null } : { text, usage },
      );
    }
    if (includesUsage) {
      const usage = usageOf(generation.promptTokens, step.tokens);
      reply.write(`data: ${JSON.stringify({ ...head, choices: [], usage })}\n\n`);
    }
    reply.write("data: [DONE]\n\n");
    reply.end();
  });
  if (isStream) openStream(reply);
};

const speechRequest = v.looseObject({
  model: textField,
  input: v.string("Input should be a valid string"),
  response_format: v.nullish(v.picklist(["wav", "mp3", "opus", "aac", "flac", "pcm"])),
});

const speechTypes: Readonly<Record<string, string>> = { mp3: "audio/mpeg", pcm: "audio/pcm" };

const bytesPerToken = 640;

/** Text to speech: noise that depends on the seed and the text, 640 bytes for each token. */
const speechRoute =
  (parts: EngineParts): Route =>
  (request, reply) => {
    const body = readBody(request, speechRequest);
    const model = parts.models.find(body.model);
    const { tokens } = textPrompt(body.input);
    const format = body.response_format ?? "wav";
    startPrompts(parts, reply, [{ tokens, salt: model.cacheSalt }], () => {
      const bytes = Buffer.alloc(tokens.length * bytesPerToken);
      let state = hashOf([parts.config.seed, ...tokens]) | 1;
      for (let at = 0; at < bytes.length; at += 4) {
        state = Math.imul(state, 0x2c9277b5) + 0x3c6ef35f;
        bytes.writeInt32LE(state | 0, at);
      }
      send(reply, 200, speechTypes[format] ?? `audio/${format}`, bytes);
    });
  };

/** Routes of sound: to text, and from text. */
export const audioRoutes = (parts: EngineParts): Routes => ({
  "POST /v1/audio/transcriptions": (request, reply) => speechToText(parts, request, reply, "transcription"),
  "POST /v1/audio/translations": (request, reply) => speechToText(parts, request, reply, "translation"),
  "POST /v1/audio/speech": speechRoute(parts),
});
