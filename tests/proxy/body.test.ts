import { describe, expect, test } from "bun:test";
import { RouterError } from "../../src/core/errors.ts";
import { createReadBody, readBody } from "../../src/proxy/body.ts";
import { createTestClock, settle } from "../support/clock.ts";

const LIMIT = 1000;

const toldRequest = (length: number): Request =>
  new Request("http://router/", {
    method: "POST",
    body: new Uint8Array(length).fill(7),
    headers: { "content-length": String(length) },
  });

/** A request whose length is not told, and how many bytes were taken from its body. */
const untoldRequest = (chunks: readonly number[]) => {
  const left = [...chunks];
  let taken = 0;
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        const length = left.shift();
        if (length === undefined) return controller.close();
        taken += length;
        controller.enqueue(new Uint8Array(length).fill(7));
      },
      cancel: () => {
        isCancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return {
    request: new Request("http://router/", { method: "POST", body }),
    taken: () => taken,
    isCancelled: () => isCancelled,
  };
};

const refusal = async (body: Promise<unknown>): Promise<string> => {
  const error: unknown = await body.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RouterError);
  return error instanceof RouterError ? `${error.code}: ${error.message}` : "";
};

const TOO_LARGE = "body_too_large: The request body is larger than 1000 bytes (--max-request-body-bytes).";

describe("a body whose length is told", () => {
  test.each([0, 1, LIMIT])("of %p bytes is read whole", async (length) => {
    expect(await readBody(toldRequest(length), LIMIT)).toEqual(new Uint8Array(length).fill(7));
  });

  test("is refused one byte above the limit, before any of it is read", async () => {
    const request = toldRequest(LIMIT + 1);
    expect(await refusal(readBody(request, LIMIT))).toBe(TOO_LARGE);
    expect(request.bodyUsed).toBe(false);
  });
});

describe("a body whose length is not told", () => {
  test.each([[[]], [[1]], [[LIMIT]], [[1, 2, 3, LIMIT - 6]]])(
    "in chunks of %p is read whole",
    async (chunks) => {
      const length = chunks.reduce((sum, chunk) => sum + chunk, 0);
      expect(await readBody(untoldRequest(chunks).request, LIMIT)).toEqual(new Uint8Array(length).fill(7));
    },
  );

  test("is refused at the first chunk too many, and no further one is taken", async () => {
    const { request, taken, isCancelled } = untoldRequest([LIMIT, 1, 500, 500]);
    expect(await refusal(readBody(request, LIMIT))).toBe(TOO_LARGE);
    expect(taken()).toBe(LIMIT + 1);
    expect(isCancelled()).toBe(true);
  });
});

test("no body is an empty one", async () => {
  expect(await readBody(new Request("http://router/", { method: "POST" }), LIMIT)).toEqual(new Uint8Array());
});

describe("a body that has so long to come", () => {
  const start = () => {
    const clock = createTestClock();
    return { clock, readTimed: createReadBody(120_000, { clock }) };
  };

  test("is read as any other where it comes in time", async () => {
    const { clock, readTimed } = start();
    expect(await readTimed(toldRequest(LIMIT), LIMIT)).toHaveLength(LIMIT);
    expect(await refusal(readTimed(toldRequest(LIMIT + 1), LIMIT))).toBe(TOO_LARGE);
    clock.advance(1_000_000);
    expect(clock.waiting()).toEqual([]);
  });

  test("is given up when its time is over, although it still comes", async () => {
    const { clock, readTimed } = start();
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({ start: (given) => (controller = given) });
    const reading = refusal(readTimed(new Request("http://router/", { method: "POST", body }), 1e9));
    for (let second = 0; second < 121; second += 1) {
      controller?.enqueue(new Uint8Array(1000));
      clock.advance(1000);
      await settle();
    }
    expect(await reading).toContain("did not come within 120 s (--request-body-timeout-seconds)");
    // The connection is closed after the answer, which breaks the body off.
    controller?.error(new Error("closed"));
    await settle();
  });
});
