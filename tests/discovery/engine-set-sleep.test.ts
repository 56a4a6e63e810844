import { describe, expect, test } from "bun:test";
import { hanging, serving } from "./engines.ts";
import { object, start, unready, url } from "./sets.ts";

describe("sleep", () => {
  const idOf = ({ set }: ReturnType<typeof start>): string => set.endpoints[0]?.id ?? "";
  const isAsleep = (started: ReturnType<typeof start>): boolean => started.sleep.asleep.has(idOf(started));

  test("is what the label says when it changes, and not when anything else does", async () => {
    const started = start();
    const { engines, set, sleep, pass } = started;
    engines.answer(url("a"), serving("m"));
    set.see(object("a", { isMarkedAsleep: true }));
    await pass(0);
    expect(isAsleep(started)).toBe(true);
    set.see(object("a"));
    expect(isAsleep(started)).toBe(false);
    sleep.set(idOf(started), true);
    set.see(object("a"));
    await pass(60_000);
    expect(isAsleep(started)).toBe(true);
  });

  test("is what the engine says, before it joins and ever after", async () => {
    const started = start();
    const { engines, set, pass } = started;
    let answer = true;
    engines.answer(url("a"), () => Response.json({ is_sleeping: answer }), "/is_sleeping");
    engines.answer(url("a"), serving("m"));
    set.see(object("a", { canSleep: true }));
    await pass(0);
    expect(isAsleep(started)).toBe(true);
    answer = false;
    await pass(30_000);
    expect(isAsleep(started)).toBe(false);
    engines.answer(url("a"), () => new Response("", { status: 404 }), "/is_sleeping");
    await pass(60_000);
    expect(isAsleep(started)).toBe(false);
  });

  test("is not told by an answer that began before somebody sent the engine to sleep", async () => {
    const started = start();
    const { engines, set, sleep, pass } = started;
    const { promise, resolve } = Promise.withResolvers<Response>();
    engines.answer(url("a"), serving("m"));
    engines.answer(url("a"), () => Response.json({ is_sleeping: false }), "/is_sleeping");
    set.see(object("a", { canSleep: true }));
    await pass(0);
    engines.answer(url("a"), async () => promise, "/is_sleeping");
    await pass(30_000);
    sleep.set(idOf(started), true);
    resolve(Response.json({ is_sleeping: false }));
    await pass(0);
    expect(isAsleep(started)).toBe(true);
  });

  test("ends with the pod: the next one of its name is awake", async () => {
    const started = start();
    const { engines, set, sleep, pass } = started;
    engines.answer(url("a"), serving("m"));
    set.see(object("a", { uid: "1", isMarkedAsleep: true }));
    await pass(0);
    set.see(object("a", { uid: "2" }));
    await pass(0);
    expect(isAsleep(started)).toBe(false);
    set.see(object("a", { uid: "2", isMarkedAsleep: true }));
    set.lose({ name: "a", uid: "2" });
    expect(sleep.asleep.size).toBe(0);
  });
});

describe("engines of the router before", () => {
  const before = async (names: readonly string[]) => {
    const { engines, set, pass } = start();
    for (const name of names) engines.answer(url(name), serving("m"));
    set.replace(names.map((name) => object(name)));
    await pass(0);
    return set.endpoints;
  };

  test("serve on until the first list, and those that it holds without being asked first", async () => {
    const { engines, set, names, pass } = start(await before(["a", "b", "c"]));
    expect(names()).toEqual(["a", "b", "c"].map(url));
    set.replace([object("a"), unready("b")]);
    expect(names().sort()).toEqual(["a", "c"].map(url));
    await pass(0);
    expect(names()).toEqual([url("a")]);
    expect(engines.asks.map((ask) => ask.url)).toEqual([`${url("a")}/v1/models`]);
  });

  test("serve on until those of another place have been asked", async () => {
    const { engines, set, names, pass } = start(await before(["a"]));
    engines.answer(url("x"), serving("m"));
    engines.answer(url("y"), hanging);
    set.replace([object("x"), object("y")]);
    await pass(1000);
    expect(names()).toEqual([url("x"), url("a")]);
    await pass(9000);
    expect(names()).toEqual([url("x")]);
  });

  test("are not taken for others of the same name", async () => {
    const { set, names, pass } = start(await before(["a"]));
    set.replace([object("a", { uid: "another" })]);
    await pass(0);
    expect(names()).toEqual([]);
  });

  test("sleep on, unless their label says otherwise", async () => {
    const [known] = await before(["a"]);
    const { set, sleep } = start(known && [known]);
    sleep.set(known?.id ?? "", true);
    set.replace([object("a")]);
    expect(sleep.asleep.has(known?.id ?? "")).toBe(true);
  });
});
