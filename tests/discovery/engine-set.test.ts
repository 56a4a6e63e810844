import { describe, expect, test } from "bun:test";
import { hanging, serving } from "./engines.ts";
import { object, start, unready, url } from "./sets.ts";

describe("an engine joins", () => {
  test("when its object is ready and it has told its models", async () => {
    const { engines, set, names, seen, lines, pass } = start();
    set.see(unready("a"));
    set.see(unready("a"));
    await pass(1000);
    expect(engines.asks).toEqual([]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("INFO: pods/a gets no requests yet: it is not ready");
    set.see(object("a", { label: "opt" }));
    await pass(5000);
    expect(names()).toEqual([]);
    engines.answer(url("a"), serving("m", "lora"));
    await pass(5000);
    expect(set.endpoints).toMatchObject([
      { url: url("a"), instance: "uid-of-a", models: ["m", "lora"], label: "opt" },
    ]);
    expect([...seen]).toEqual(["m", "lora"]);
    expect(set.counts()).toEqual({ serving: 1, waiting: 0, unready: 0 });
  });

  test("whatever others do: one that hangs keeps nobody waiting", async () => {
    const { engines, set, names, pass } = start();
    engines.answer(url("a"), hanging);
    engines.answer(url("b"), serving("m"));
    set.replace([object("a"), object("b"), unready("c")]);
    await pass(0);
    expect(names()).toEqual([url("b")]);
    expect(set.counts()).toEqual({ serving: 1, waiting: 1, unready: 1 });
  });

  test("or it is said once, with the way out, that nothing is selected", async () => {
    const { set, lines, pass } = start();
    for (let list = 1; list <= 3; list += 1) {
      set.replace([]);
      await pass(10_000);
    }
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(
      "WARNING: There are no pods with app=vllm in namespace default, so there is no engine; " +
        "kubectl get pods --show-labels says how to select them",
    );
  });

  test("with the id that the reference gives it", async () => {
    const { engines, set, pass } = start();
    const name = "vllm-opt125m-deployment-vllm-abc";
    engines.answer(url(name), serving("m"));
    set.see(object(name));
    await pass(0);
    const [id = ""] = set.endpoints.map((endpoint) => endpoint.id);
    expect(id).toBe("72b9a025-137e-5b12-98c3-61959ce10e14");
    expect(set.nameOf(id)).toBe(name);
  });
});

describe("an engine leaves at once", () => {
  test.each<[string, (set: ReturnType<typeof start>["set"]) => void]>([
    ["when its object is no longer ready", (set) => set.see(unready("a"))],
    ["when its object is terminating", (set) => set.see(unready("a", "it is terminating"))],
    ["when its object is deleted or no longer selected", (set) => set.lose(object("a"))],
    ["when a list no longer holds it", (set) => set.replace([object("b")])],
  ])("%s", async (_when, leave) => {
    const { engines, set, names, lines, pass } = start();
    engines.answer(url("a"), serving("m"));
    engines.answer(url("b"), serving("m"));
    set.replace([object("a"), object("b")]);
    await pass(0);
    leave(set);
    expect(names()).toEqual([url("b")]);
    expect(lines.at(-1)).toContain(`Engine ${url("a")} (a) gets no new requests: it is`);
    const asked = engines.asks.length;
    await pass(20_000);
    expect(engines.asks).toHaveLength(asked);
  });

  test("not when a deletion comes late of an object whose name another one has", async () => {
    const { engines, set, names, pass } = start();
    engines.answer(url("a"), serving("m"));
    set.see(object("a", { uid: "old" }));
    set.see(object("a", { uid: "new" }));
    await pass(0);
    set.lose({ name: "a", uid: "old" });
    expect(names()).toEqual([url("a")]);
    expect(set.endpoints[0]?.instance).toBe("new");
  });
});

describe("what an engine tells", () => {
  test("is asked for again with every event, and twice a minute", async () => {
    const { engines, set, pass } = start();
    engines.answer(url("a"), serving("m"));
    const a = object("a");
    set.see(a);
    await pass(1000);
    engines.answer(url("a"), serving("m", "lora"));
    set.see(object("a"));
    await pass(0);
    expect(set.endpoints[0]?.models).toEqual(["m", "lora"]);
    await pass(61_000);
    expect(engines.asks.map(({ at }) => at)).toEqual([0, 1000, 31_000, 61_000]);
  });

  test("holds while it fails: a question that fails takes nobody out", async () => {
    const { engines, set, names, pass } = start();
    engines.answer(url("a"), serving("m"));
    set.see(object("a"));
    await pass(0);
    const { endpoints } = set;
    for (const how of [hanging, serving(), () => new Response("no", { status: 500 })]) {
      engines.answer(url("a"), how);
      set.see(object("a"));
      await pass(40_000);
    }
    expect(names()).toEqual([url("a")]);
    expect(set.endpoints).toBe(endpoints);
  });

  test("is asked anew of one that comes back, which may have lost its adapters", async () => {
    const { engines, set, names, pass } = start();
    engines.answer(url("a"), serving("m", "lora"));
    set.see(object("a"));
    await pass(0);
    set.see(unready("a"));
    engines.answer(url("a"), hanging);
    set.see(object("a"));
    await pass(0);
    expect(names()).toEqual([]);
    engines.answer(url("a"), serving("m"));
    await pass(12_000);
    expect(set.endpoints[0]?.models).toEqual(["m"]);
  });
});

describe("an address", () => {
  test("that another pod takes is asked before it is used, and is not the old engine", async () => {
    const { engines, set, pass } = start();
    engines.answer(url("x"), serving("old"));
    set.see(object("a", { url: url("x") }));
    await pass(0);
    set.lose(object("a"));
    engines.answer(url("x"), serving("new"));
    set.see(object("b", { url: url("x") }));
    expect(set.endpoints).toEqual([]);
    await pass(0);
    expect(set.endpoints).toMatchObject([{ instance: "uid-of-b", models: ["new"] }]);
  });

  test("that two pods claim belongs to the younger one", async () => {
    const { engines, set, pass } = start();
    engines.answer(url("x"), serving("m"));
    set.see(object("young", { url: url("x"), createdAt: 2 }));
    set.see(object("old", { url: url("x"), createdAt: 1 }));
    await pass(0);
    expect(set.endpoints).toMatchObject([{ instance: "uid-of-young" }]);
    set.lose(object("young"));
    expect(set.endpoints).toMatchObject([{ instance: "uid-of-old" }]);
  });

  test("that changes makes another engine of the same pod", async () => {
    const { engines, set, names, pass } = start();
    engines.answer(url("a"), serving("m"));
    engines.answer(url("moved"), serving("m"));
    set.see(object("a"));
    await pass(0);
    set.see(object("a", { url: url("moved") }));
    expect(names()).toEqual([]);
    await pass(0);
    expect(names()).toEqual([url("moved")]);
  });
});

test("stopping ends every timer and every question", async () => {
  const { clock, engines, set, pass } = start();
  engines.answer(url("a"), serving("m"));
  engines.answer(url("b"), hanging);
  set.replace([object("a"), object("b"), object("c")]);
  for (let flap = 0; flap < 4; flap += 1) set.see(flap % 2 === 0 ? unready("a") : object("a"));
  await pass(300);
  await set[Symbol.asyncDispose]();
  expect(clock.waiting()).toEqual([]);
});
