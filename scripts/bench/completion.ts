/** What is asked of an engine, or of a router before it. */
export interface CompletionRequest {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** A whole answer; times in milliseconds of `performance.now()`. */
export interface Completion {
  readonly firstAt: number;
  readonly endAt: number;
  readonly text: string;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

interface Chunk {
  readonly choices: readonly { readonly text: string }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens: number };
  };
}

/** Streams a completion of exactly `maxTokens`; rejects for any other answer than a whole one. */
export const complete = async (
  url: string,
  model: string,
  { prompt, maxTokens, headers }: CompletionRequest,
): Promise<Completion> => {
  const body = {
    model,
    prompt,
    max_tokens: maxTokens,
    ignore_eos: true,
    stream: true,
    stream_options: { include_usage: true },
  };
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok || !response.body) throw new Error(`status ${response.status}: ${await response.text()}`);
  const decoder = new TextDecoder();
  let firstAt: number | undefined;
  let endAt = 0;
  let pending = "";
  let text = "";
  let usage: Chunk["usage"];
  for await (const bytes of response.body) {
    endAt = performance.now();
    pending += decoder.decode(bytes, { stream: true });
    const events = pending.split("\n\n");
    pending = events.pop() ?? "";
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") continue;
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.choices.length > 0) firstAt ??= endAt;
      text += chunk.choices[0]?.text ?? "";
      usage = chunk.usage ?? usage;
    }
  }
  if (firstAt === undefined || usage?.completion_tokens !== maxTokens)
    throw new Error("the answer is not whole");
  return {
    firstAt,
    endAt,
    text,
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    outputTokens: usage.completion_tokens,
  };
};
