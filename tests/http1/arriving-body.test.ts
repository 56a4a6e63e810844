import { describe, expect, test } from "bun:test";
import { createArrivingBody } from "../../src/http1/arriving-body.ts";
import { settle } from "../support/clock.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));

/** A body, what its connection was told, and a sink that takes as the test says. */
const start = () => {
  const flow: string[] = [];
  const arriving = createArrivingBody({
    pause: () => flow.push("pause"),
    resume: () => flow.push("resume"),
    cancel: () => flow.push("cancel"),
  });
  const told: string[] = [];
  let held: PromiseWithResolvers<void> | undefined;
  const sink = {
    take: (piece: Uint8Array) => {
      told.push(Buffer.from(piece).toString());
      return held?.promise;
    },
    ended: () => void told.push("(ended)"),
    failed: (error: Error) => void told.push(`(${error.message})`),
  };
  return {
    ...arriving,
    flow,
    told,
    sink,
    hold: () => {
      held = Promise.withResolvers();
    },
    release: async () => {
      const was = held;
      held = undefined;
      was?.resolve();
      await settle();
    },
  };
};

describe("a body that comes", () => {
  test("is read piece by piece, and then flows at once", async () => {
    const { add, body, sink, told, end } = start();
    const first = body.read();
    add(bytes("1"));
    add(bytes("2"));
    expect(Buffer.from((await first).value ?? []).toString()).toBe("1");
    body.flow(sink);
    expect(told).toEqual(["2"]);
    add(bytes("3"));
    end();
    expect(told).toEqual(["2", "3", "(ended)"]);
  });

  test("waits while its sink takes nothing, and has its connection wait", async () => {
    const { add, body, sink, told, end, hold, release, flow } = start();
    body.flow(sink);
    hold();
    add(bytes("1"));
    add(bytes("2"));
    expect([told, flow]).toEqual([["1"], ["pause"]]);
    await release();
    expect([told, flow]).toEqual([
      ["1", "2"],
      ["pause", "resume"],
    ]);
    hold();
    add(bytes("3"));
    add(bytes("4"));
    end();
    expect(told.at(-1)).toBe("3");
    await release();
    expect(told.slice(-2)).toEqual(["4", "(ended)"]);
  });

  test("has its connection wait where nobody reads", async () => {
    const { add, body, flow, sink, told } = start();
    for (let piece = 0; piece < 5; piece += 1) add(new Uint8Array(20_000));
    expect(flow).toEqual(["pause"]);
    await body.read();
    await body.read();
    expect(flow).toEqual(["pause", "resume"]);
    body.flow(sink);
    expect(told).toHaveLength(3);
  });

  test("that breaks off is handed over as far as it came", async () => {
    const { add, body, sink, told, hold, release, fail } = start();
    body.flow(sink);
    hold();
    add(bytes("1"));
    add(bytes("2"));
    fail(new Error("lost"));
    expect(told).toEqual(["1"]);
    await release();
    expect(told).toEqual(["1", "2", "(lost)"]);
  });

  test("that is cut ends at once, and once", async () => {
    const { add, body, sink, told, hold, release, cut } = start();
    body.flow(sink);
    hold();
    add(bytes("1"));
    add(bytes("2"));
    cut(new Error("left"));
    expect(told).toEqual(["1", "(left)"]);
    await release();
    expect(told).toEqual(["1", "(left)"]);
  });

  test("tells a reader what it told a sink", async () => {
    const { body, fail, add } = start();
    const waiting = body.read();
    fail(new Error("lost"));
    expect(await waiting.catch(String)).toBe("Error: lost");
    const late = start();
    late.add(bytes("1"));
    late.end();
    expect((await late.body.read()).done).toBe(false);
    expect((await late.body.read()).done).toBe(true);
    add(bytes("x"));
  });

  test("that came whole is cancelled without its connection, which may be another's by then", async () => {
    const { add, body, sink, told, end, hold, release, flow } = start();
    body.flow(sink);
    hold();
    add(bytes("1"));
    add(bytes("2"));
    end();
    body.cancel();
    await release();
    expect([told, flow]).toEqual([["1"], ["pause"]]);
  });

  test("that is cancelled is nobody's", () => {
    const { add, body, sink, told, end, flow } = start();
    body.flow(sink);
    body.cancel();
    add(bytes("1"));
    end();
    expect([told, flow]).toEqual([[], ["cancel"]]);
  });
});
