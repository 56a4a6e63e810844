/** The error for what is no answer of HTTP/1.1, with the code that the runtime's own client has for it. */
export const invalidAnswer = (what: string): Error =>
  Object.assign(new Error(`The engine's answer is not valid HTTP: ${what}.`), {
    code: "Malformed_HTTP_Response",
  });
