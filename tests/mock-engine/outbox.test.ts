import { expect, test } from "bun:test";
import { createOutbox, createTurnEnd } from "../../src/mock-engine/outbox.ts";

/** A socket that takes `room` bytes at a time. */
const rig = () => {
  const calls: string[] = [];
  let room = Infinity;
  const socket = {
    write: (data: string | Uint8Array): number => {
      if (room < 0) return -1;
      const bytes = Buffer.from(data as Uint8Array).subarray(0, room);
      calls.push(bytes.toString());
      return bytes.length;
    },
    end: () => void calls.push("<end>"),
    terminate: () => void calls.push("<reset>"),
  };
  const outbox = createOutbox(socket, createTurnEnd());
  return {
    calls,
    outbox,
    take: (bytes: number) => {
      room = bytes;
    },
  };
};

test("what is pushed in one turn leaves in one call", async () => {
  const { calls, outbox } = rig();
  outbox.push("a");
  outbox.push("b");
  expect(calls).toEqual([]);
  await Promise.resolve();
  expect(calls).toEqual(["ab"]);
});

test("what the socket does not take waits, in order, until there is room", async () => {
  const { calls, outbox, take } = rig();
  take(3);
  outbox.push("möre");
  await Promise.resolve();
  outbox.push("more");
  outbox.push(Buffer.from([0x21]));
  await Promise.resolve();
  expect([calls, outbox.waitingBytes()]).toEqual([["mö"], Buffer.byteLength("remore!")]);
  take(Infinity);
  outbox.drain();
  expect([calls.join(""), outbox.waitingBytes()]).toEqual(["möremore!", 0]);
});

test("bytes and text keep their order", async () => {
  const { calls, outbox } = rig();
  outbox.push("1");
  outbox.push(Buffer.from("2"));
  outbox.push("3");
  await Promise.resolve();
  expect(calls.join("")).toBe("123");
});

test("an orderly end comes after everything that was pushed", async () => {
  const { calls, outbox, take } = rig();
  take(1);
  outbox.push("abc");
  outbox.close("fin");
  await Promise.resolve();
  expect(calls).not.toContain("<end>");
  take(Infinity);
  outbox.drain();
  expect([calls.join(""), outbox.isClosing()]).toEqual(["abc<end>", true]);
});

test("a reset comes at once, after what the socket takes", () => {
  const { calls, outbox } = rig();
  outbox.push("abc");
  outbox.close("reset");
  expect(calls).toEqual(["abc", "<reset>"]);
});

test("a closed socket leaves nothing waiting", async () => {
  const { outbox, take } = rig();
  take(1);
  outbox.push("abc");
  await Promise.resolve();
  take(-1);
  outbox.drain();
  expect(outbox.waitingBytes()).toBe(0);
});
