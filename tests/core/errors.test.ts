import { describe, expect, test } from "bun:test";
import {
  describeError,
  type ErrorCode,
  errorTable,
  openAiError,
  RouterError,
} from "../../src/core/errors.ts";

const codes = Object.keys(errorTable) as ErrorCode[];

describe.each(codes)("%s", (code) => {
  test("has a status of an error, a type and a sentence of meaning", () => {
    const { status, type, meaning } = errorTable[code];
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(type).toMatch(/^[a-z_]+_error$/);
    expect(meaning).toMatch(/^[A-Z].*\.$/);
  });

  test("is retried only where the fault is an engine's", () => {
    expect(errorTable[code].isRetryable).toBe(code.startsWith("upstream_"));
  });
});

test("an error keeps its code and cause, and shows as OpenAI's error object without either's details", () => {
  const cause = new Error("10.0.0.1:8000 refused");
  const error = new RouterError("upstream_unreachable", "The engine cannot be reached.", { cause });
  expect([error.name, error.code, error.cause]).toEqual(["RouterError", "upstream_unreachable", cause]);
  expect(openAiError(error)).toEqual({
    error: {
      message: "The engine cannot be reached.",
      type: "service_unavailable_error",
      param: null,
      code: "upstream_unreachable",
    },
  });
});

test("a line of the log has the runtime's words without the URL, whose query is the client's, and its advice", async () => {
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.write("HTTP/1.1 nonsense\r\n\r\n") },
  });
  const cause: unknown = await fetch(`http://127.0.0.1:${server.port}/?key=canary`).catch(
    (error: unknown) => error,
  );
  server.stop(true);
  expect(String(cause)).toContain("canary");
  const error = new RouterError("upstream_invalid", "The engine's answer is not valid HTTP.", { cause });
  expect(describeError(error)).toBe("The engine's answer is not valid HTTP. (Malformed_HTTP_Response)");
  expect(describeError(cause)).toBe("Malformed_HTTP_Response");
});
