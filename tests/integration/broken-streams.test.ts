import { expect, test } from "bun:test";
import { readStream } from "../support/chunked-stream.ts";
import { rawChunk, startRawEngine, STREAM_HEAD } from "../support/raw-engine.ts";
import { rawPost } from "../support/raw-client.ts";
import { startRouter } from "../support/router.ts";

const STREAMS = 1000;
const AT_ONCE = 50;

const token = 'data: {"choices":[{"text":"a","finish_reason":null}]}\n\n';

test(`of ${STREAMS} streams that break off none looks complete`, async () => {
  await using engine = await startRawEngine((socket, { body }) => {
    const index = Number(/\d+/.exec(body.toString())?.[0]);
    // Anywhere in an event, between events and in the framing of a chunk.
    const whole = rawChunk(token).repeat(3);
    const cut = rawChunk(token).length + (index % (whole.length - rawChunk(token).length));
    socket.write(STREAM_HEAD + whole.slice(0, cut));
    setTimeout(() => (index % 2 === 0 ? socket.end() : socket.resetAndDestroy()), 20 + (index % 20));
  });
  await using router = startRouter({ backends: [{ url: engine.url, models: ["m"] }], maxReroutes: 2 });
  const wrong: unknown[] = [];
  let next = 0;
  let repeated = 0;
  const work = async (): Promise<void> => {
    while (next < STREAMS) {
      const index = (next += 1);
      const body = JSON.stringify({ prompt: index, model: "m", stream: true });
      const answer = await readStream(router.port, rawPost("/v1/completions", body, ["Connection: close"]));
      const isTold = answer.body.includes('data: {"error":{');
      if (answer.status === 502) repeated += 1;
      else if (answer.isWhole || !isTold || answer.body.includes("[DONE]")) wrong.push(answer);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  expect(wrong).toEqual([]);
  // A reset may overtake the first bytes; then there was no answer, and the client knows.
  console.info(
    `${STREAMS} streams broke off: ${STREAMS - repeated} after their first event, ${wrong.length} looked complete`,
  );
  expect(repeated).toBeLessThan(STREAMS / 2);
}, 60_000);
