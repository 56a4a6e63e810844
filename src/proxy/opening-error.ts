import type { Answer, AnswerBody, Bytes } from "../core/answer.ts";

/** An event that is longer is no error. */
const MAX_EVENT = 64 * 1024;
/** Bytes within which a stream shows that it opens with an error. */
const OPENING_BYTES = 96;

// vLLM, SGLang, older vLLM, Anthropic's and OpenAI's Responses.
const OPENING =
  /^(?:event: ?error\r?\n)?data: ?\{\s*(?:"error"\s*:\s*[{"]|"object"\s*:\s*"error"|"type"\s*:\s*"error")/;
const EVENT = /^(?:event: ?error\r?\n)?data: ?(.*)\r?\n/;
const EVENT_END = /\r?\n\r?\n/;

const textOf = ({ buffer, byteOffset, length }: Bytes, limit = length): string =>
  Buffer.from(buffer, byteOffset, Math.min(length, limit)).toString("latin1");

/** Kinds of errors that are the client's; some engines name them without a status. */
const CLIENTS_FAULT = /^(?:invalid_request_error|BadRequestError)$/;

/** The status that an error object of an engine stands for: its `code` where that is one, else 500. */
export const statusOfError = (value: unknown): number => {
  if (typeof value !== "object" || value === null) return 500;
  const fields = value as Readonly<Record<string, unknown>>;
  const inner = fields["error"];
  if (typeof inner === "object" && inner !== null) return statusOfError(inner);
  const { code, type } = fields;
  const status = typeof code === "string" ? Number(code) : code;
  if (typeof status === "number" && Number.isInteger(status) && status >= 400 && status < 600) return status;
  return typeof type === "string" && CLIENTS_FAULT.test(type) ? 400 : 500;
};

/** Reads on until the first event is whole, the stream ends or it is too long. */
const readEvent = async (first: Bytes, rest: AnswerBody): Promise<{ bytes: Bytes; isOver: boolean }> => {
  let bytes = first;
  while (bytes.length < MAX_EVENT && !EVENT_END.test(textOf(bytes))) {
    const { done, value } = await rest.read();
    if (done) return { bytes, isOver: true };
    bytes = Buffer.concat([bytes, value]);
  }
  return { bytes, isOver: false };
};

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
};

/**
 * A stream that opens with an error, as the answer that it should have been: engines that have sent a status of
 * 200 already say in its first event that they refuse the request or failed on it. Others come back unchanged.
 */
export const readOpeningError = async (answer: Answer): Promise<Answer> => {
  const { first, rest } = answer;
  if (!first || !rest || !OPENING.test(textOf(first, OPENING_BYTES))) return answer;
  const { bytes, isOver } = await readEvent(first, rest);
  const data = EVENT.exec(`${textOf(bytes)}\n`)?.[1];
  const value = data === undefined ? undefined : parse(data);
  if (data === undefined || value === undefined)
    return { ...answer, first: bytes, ...(isOver && { rest: ended }) };
  rest.cancel();
  return {
    ...answer,
    status: statusOfError(value),
    headers: { ...answer.headers, "content-type": "application/json" },
    first: Buffer.from(data, "latin1"),
    rest: undefined,
  };
};

/** The rest of a body of which all was read. */
const ended: AnswerBody = {
  read: async () => ({ done: true }),
  flow: (sink) => sink.ended(),
  cancel: () => {},
};
