import { describe, expect, test } from "bun:test";
import { readStreamEnd } from "../../src/proxy/stream-end.ts";

const token = (reason: string | null) =>
  `data: ${JSON.stringify({ choices: [{ delta: { content: "x" }, finish_reason: reason }] })}\n\n`;

describe("the end of a stream", () => {
  test.each<[string, string, string, boolean]>([
    ["chat with its last word", "/v1/chat/completions", `${token("stop")}data: [DONE]\n\n`, true],
    ["chat with a reason alone", "/v1/chat/completions", token("length"), true],
    ["chat with the last word alone", "/v1/chat/completions", `${token(null)}data: [DONE]\n\n`, true],
    ["chat with line ends of two bytes", "/v1/chat/completions", "data: 1\r\n\r\ndata: [DONE]\r\n\r\n", true],
    ["chat that stops", "/v1/chat/completions", token(null), false],
    ["chat that stops within an event", "/v1/chat/completions", token("stop").slice(0, 40), false],
    [
      "chat that only speaks of an end",
      "/v1/chat/completions",
      `data: ${JSON.stringify({ text: 'data: [DONE] "finish_reason":"stop"' })}\n\n`,
      false,
    ],
    ["a completion", "/v1/completions", 'data: {"choices":[{"text":"","finish_reason": "stop"}]}\n\n', true],
    ["a completion that stops", "/v1/completions", 'data: {"choices":[{"finish_reason": null}]}\n\n', false],
    ["a message", "/v1/messages", 'event: message_stop\ndata: {"type":"message_stop"}\n\n', true],
    ["a message that stops", "/v1/messages", 'event: ping\ndata: {"type": "ping"}\n\n', false],
    ["a response", "/v1/responses", 'data: {"type":"response.completed","response":{}}\n\n', true],
    ["a response that failed by its own word", "/v1/responses", 'data: {"type":"response.failed"}\n\n', true],
    ["a response that stops", "/v1/responses", 'data: {"type":"response.created"}\n\n', false],
    ["a stream of which nobody knows how it ends", "/v1/audio/speech", "data: 1\n\n", true],
  ])("%s", (_what, path, tail, isComplete) => {
    expect(readStreamEnd(path, tail)).toEqual({ isComplete });
  });

  test.each<[string, string, number]>([
    ["with a status", 'data: {"error":{"message":"dead","code":503}}\n\ndata: [DONE]\n\n', 503],
    ["of the client's", 'data: {"error": {"code": 400}}\n\n', 400],
    ["without one", 'data: 1\n\nevent: error\ndata: {"type":"error","error":{"type":"api_error"}}\n\n', 500],
    ["that is cut", 'data: {"error":{"mess', 500],
  ])("tells of an error %s", (_what, tail, errorStatus) => {
    expect(readStreamEnd("/v1/chat/completions", tail)).toEqual({ isComplete: true, errorStatus });
  });
});
