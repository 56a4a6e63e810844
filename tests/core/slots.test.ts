import { describe, expect, test } from "bun:test";
import { createSlots } from "../../src/core/slots.ts";

const start = (size = 3) => {
  const busy = new Set<number>();
  const cleared: number[] = [];
  let full = 0;
  const slots = createSlots({
    size,
    isBusy: (slot) => busy.has(slot),
    clear: (slot) => cleared.push(slot),
    onFull: () => (full += 1),
  });
  const see = (...names: readonly string[]) => {
    const endpoints = names.map((name) => {
      const [id = "", instance] = name.split("/");
      return instance === undefined ? { id } : { id, instance };
    });
    return Object.fromEntries(slots.see(endpoints));
  };
  // A thread that does not say what it knows keeps every slot in use.
  slots.acknowledged(1, 0);
  return { slots, busy, cleared, see, full: () => full };
};

describe("slots of engines", () => {
  test("stay with them, whoever comes and goes beside", () => {
    const { slots, see } = start();
    expect(see("a", "b")).toEqual({ a: 0, b: 1 });
    expect(see("b")).toEqual({ b: 1 });
    expect(see("c", "b")).toEqual({ c: 2, b: 1 });
    expect(slots.version()).toBe(3);
  });

  test("are the very same map, of the same version, while nothing changes", () => {
    const { slots } = start();
    const given = slots.see([{ id: "a" }, { id: "b" }]);
    expect(slots.see([{ id: "a" }, { id: "b" }])).toBe(given);
    expect(slots.version()).toBe(1);
  });

  test("go to others when every thread knows that the engine is gone, and nothing is under way there", () => {
    const { slots, busy, cleared, see } = start(2);
    for (const row of [1, 2]) slots.acknowledged(row, slots.version());
    see("a", "b");
    for (const row of [1, 2]) slots.acknowledged(row, slots.version());
    busy.add(0);
    see("b");
    slots.acknowledged(1, slots.version());
    expect(see("b", "c")).toEqual({ b: 1 });
    slots.acknowledged(2, slots.version());
    expect(see("b", "c")).toEqual({ b: 1 });
    expect(cleared).toEqual([]);
    busy.clear();
    expect(see("b", "c")).toEqual({ b: 1, c: 0 });
    expect(cleared).toEqual([0]);
  });

  test("wait for no thread that is gone", () => {
    const { slots, see } = start(1);
    see("a");
    for (const row of [1, 2]) slots.acknowledged(row, slots.version());
    see();
    slots.acknowledged(1, slots.version());
    expect(see("b")).toEqual({});
    slots.gone(2);
    expect(see("b")).toEqual({ b: 0 });
  });

  test("come back with an engine that was away for a moment", () => {
    const { slots, cleared, see } = start();
    slots.acknowledged(1, 0);
    expect(see("a", "b")).toEqual({ a: 0, b: 1 });
    see("b");
    expect(see("a", "b")).toEqual({ a: 0, b: 1 });
    slots.acknowledged(1, slots.version());
    see("a", "b");
    expect(cleared).toEqual([]);
  });

  test("are others for another engine under the same id", () => {
    const { see } = start();
    expect(see("a/1", "b/1")).toEqual({ a: 0, b: 1 });
    expect(see("a/2", "b/1")).toEqual({ a: 2, b: 1 });
  });

  test("are missing where there are too many engines, which is said once", () => {
    const { see, full } = start(2);
    expect(see("a", "b", "c")).toEqual({ a: 0, b: 1 });
    expect(see("a", "b", "c", "d")).toEqual({ a: 0, b: 1 });
    expect(full()).toBe(1);
  });
});
