/**
 * Why a question had no answer, as half a sentence for the log. The runtime's sentences address somebody at a
 * keyboard, its codes do not.
 */
export const whyNoAnswer = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? `no answer (${error.code})` : error.message;
};
