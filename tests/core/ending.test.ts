import { describe, expect, test } from "bun:test";
import { createEnder, signalOf } from "../../src/core/ending.ts";

describe("an ending", () => {
  test("comes once, with its first reason, and is told to who listens by then", () => {
    const { signal, abort } = createEnder();
    const told: string[] = [];
    const leaving = (): void => void told.push("left");
    signal.addEventListener("abort", () => told.push("a"));
    signal.addEventListener("abort", leaving);
    signal.removeEventListener("abort", leaving);
    signal.addEventListener("abort", () => told.push(`b: ${String(signal.reason)}`));
    expect(signal.aborted).toBe(false);
    abort(new Error("one"));
    abort(new Error("two"));
    signal.addEventListener("abort", () => told.push("late"));
    expect([signal.aborted, told]).toEqual([true, ["a", "b: Error: one"]]);
  });

  test("that somebody hears may add and remove listeners: who is removed meanwhile is not told", () => {
    const { signal, abort } = createEnder();
    const told: string[] = [];
    const second = (): void => void told.push("second");
    signal.addEventListener("abort", () => {
      told.push("first");
      signal.removeEventListener("abort", second);
    });
    signal.addEventListener("abort", second);
    abort(new Error("x"));
    expect(told).toEqual(["first"]);
  });

  test.each(["before", "after"])("is a signal of the runtime that was made %s it", (when) => {
    const { signal, abort } = createEnder();
    const reason = new Error("x");
    if (when === "after") abort(reason);
    const made = signalOf(signal);
    abort(reason);
    expect([made.aborted, made.reason]).toEqual([true, reason]);
  });
});
