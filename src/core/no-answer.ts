/**
 * Why a question had no answer, as half a sentence for the log. The runtime's sentences address somebody at a
 * keyboard, its codes do not.
 */
export const whyNoAnswer = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? `no answer (${error.code})` : error.message;
};

/** What an engine answered, as half a sentence for the log; where it asks for a key, with where that is configured. */
export const describeStatus = (path: string, status: number): string =>
  `${path} answered ${status}${status === 401 ? " (engines are given the key of VLLM_API_KEY)" : ""}`;
