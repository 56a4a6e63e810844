import { expect, test } from "bun:test";
import type { HttpRequest } from "../../src/mock-engine/http-message.ts";
import { createHttpReply } from "../../src/mock-engine/http-reply.ts";
import { createOutbox } from "../../src/mock-engine/outbox.ts";
import { sendJson } from "../../src/mock-engine/reply.ts";

const rig = (fields: Partial<HttpRequest> = {}) => {
  const calls: string[] = [];
  const socket = {
    write: (data: string | Uint8Array): number => {
      calls.push(Buffer.from(data as Uint8Array).toString());
      return Buffer.byteLength(data);
    },
    end: () => void calls.push("<end>"),
    terminate: () => void calls.push("<reset>"),
  };
  const request: HttpRequest = {
    method: "GET",
    target: "/",
    path: "/",
    version: "HTTP/1.1",
    headers: [],
    body: Buffer.alloc(0),
    ...fields,
  };
  let done = 0;
  const outbox = createOutbox(socket, (task) => task());
  const reply = createHttpReply(request, outbox, { date: () => "now", onDone: () => (done += 1) });
  return { reply, text: () => calls.join(""), done: () => done };
};

const head = "HTTP/1.1 200 OK\r\ndate: now\r\nserver: uvicorn\r\n";

test("a body of known length is sent as it is", () => {
  const { reply, text, done } = rig();
  sendJson(reply, 200, { ä: 1 });
  expect(text()).toBe(`${head}content-length: 8\r\ncontent-type: application/json\r\n\r\n{"ä":1}`);
  expect(done()).toBe(1);
});

test("a stream is sent in chunks, text and bytes alike", () => {
  const { reply, text } = rig();
  reply.head(200, {});
  reply.write("ä");
  reply.write(Buffer.from("bytes"));
  reply.end();
  expect(text()).toBe(`${head}transfer-encoding: chunked\r\n\r\n2\r\nä\r\n5\r\nbytes\r\n0\r\n\r\n`);
});

test.each([
  ["asks for it", { headers: [["Connection", "Close"]] }],
  ["speaks HTTP/1.0", { version: "HTTP/1.0" }],
] as const)("the connection ends after the answer when the client %s", (_why, fields) => {
  const { reply, text } = rig(fields);
  sendJson(reply, 200, 1);
  expect(text()).toContain("connection: close\r\n\r\n1");
  expect(text()).toEndWith("<end>");
});

test("a HEAD is answered without a body", () => {
  const { reply, text } = rig({ method: "HEAD" });
  sendJson(reply, 200, 1);
  expect(text()).toEndWith("content-length: 1\r\ncontent-type: application/json\r\n\r\n");
});

test("whoever works on an abandoned answer hears of it once, also when it asks late, and writes nothing more", () => {
  const { reply, text, done } = rig();
  const heard: string[] = [];
  reply.onAbandoned(() => heard.push("early"));
  reply.abandon();
  reply.abandon();
  reply.onAbandoned(() => heard.push("late"));
  sendJson(reply, 200, 1);
  reply.abort("reset");
  expect([heard, text(), done()]).toEqual([["early", "late"], "", 1]);
});

test("a complete answer is never abandoned", () => {
  const { reply, done } = rig();
  let heard = false;
  reply.onAbandoned(() => (heard = true));
  sendJson(reply, 200, 1);
  reply.abandon();
  expect([heard, done()]).toEqual([false, 1]);
});
