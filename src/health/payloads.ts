/** Types of models that can be checked with a real request (`--static-model-types`). */
export const modelTypes = [
  "chat",
  "completion",
  "embeddings",
  "rerank",
  "score",
  "transcription",
  "vision",
  "messages",
] as const;

/** One of the types. */
export type ModelType = (typeof modelTypes)[number];

/** True for a word of `--static-model-types` that is a type. */
export const isModelType = (word: string): word is ModelType =>
  (modelTypes as readonly string[]).includes(word);

/** A small real request for a model. */
export interface DummyRequest {
  readonly path: string;
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Whether only JSON is an answer. */
  readonly expectsJson: boolean;
}

const hello = { messages: [{ role: "user", content: "Hello" }], temperature: 0, max_tokens: 3 };

/** A white square of 32 pixels: some models refuse an image smaller than one of their patches. */
const IMAGE =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAFklEQVR42mP4TwAwjCoYVTCqYKQqAAA/aPwuqUTQyAAAAABJRU5ErkJggg==";

const look = {
  messages: [
    {
      role: "user",
      content: [
        { type: "text", text: "This is a test. Just reply with yes" },
        { type: "image_url", image_url: { url: IMAGE } },
      ],
    },
  ],
};

const json: Readonly<Record<Exclude<ModelType, "transcription">, readonly [path: string, fields: object]>> = {
  chat: ["/v1/chat/completions", hello],
  messages: ["/v1/messages", hello],
  completion: ["/v1/completions", { prompt: "Hello", max_tokens: 3 }],
  embeddings: ["/v1/embeddings", { input: "Hello" }],
  rerank: ["/v1/rerank", { query: "Hello", documents: ["Test"] }],
  score: ["/v1/score", { encoding_format: "float", text_1: "Test", text_2: "Test2" }],
  vision: ["/v1/chat/completions", look],
};

const SAMPLE_RATE = 16_000;
const BYTES_PER_SAMPLE = 2;
const WAV_HEADER_BYTES = 44;

/** A tenth of a second of silence: 16 kHz, mono, 16 bits; 3244 bytes. */
export const silentWav = (): Buffer<ArrayBuffer> => {
  const dataBytes = (SAMPLE_RATE / 10) * BYTES_PER_SAMPLE;
  const wav = Buffer.alloc(WAV_HEADER_BYTES + dataBytes);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(SAMPLE_RATE, 24);
  wav.writeUInt32LE(SAMPLE_RATE * BYTES_PER_SAMPLE, 28);
  wav.writeUInt16LE(BYTES_PER_SAMPLE, 32);
  wav.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(dataBytes, 40);
  return wav;
};

const transcription = async (model: string): Promise<DummyRequest> => {
  const form = new FormData();
  form.set("file", new Blob([silentWav()], { type: "audio/wav" }), "empty.wav");
  form.set("model", model);
  const encoded = new Response(form);
  const contentType = encoded.headers.get("content-type") ?? "";
  const body = new Uint8Array(await encoded.arrayBuffer());
  return { path: "/v1/audio/transcriptions", contentType, body, expectsJson: false };
};

/** The request that the production stack sends for a model of a type. */
export const dummyRequest = async (type: ModelType, model: string): Promise<DummyRequest> => {
  if (type === "transcription") return transcription(model);
  const [path, fields] = json[type];
  const body = Buffer.from(JSON.stringify({ model, ...fields }));
  return { path, contentType: "application/json", body, expectsJson: true };
};
