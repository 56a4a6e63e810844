import { describe, expect, test } from "bun:test";
import { serving } from "./engines.ts";
import { object, start, unready, url } from "./sets.ts";

describe("a list that has suddenly lost more than half of the engines", () => {
  const four = ["a", "b", "c", "d"];
  const serveFour = async () => {
    const started = start();
    for (const name of four) started.engines.answer(url(name), serving("m"));
    started.set.replace(four.map((name) => object(name)));
    await started.pass(0);
    return started;
  };

  test("drops those that do not answer, and no other", async () => {
    const { engines, set, names, lines, pass } = await serveFour();
    engines.answer(url("b"), () => new Response("gone", { status: 503 }));
    set.replace([]);
    expect(names()).toEqual(four.map(url));
    await pass(0);
    expect(names()).toEqual(["a", "c", "d"].map(url));
    expect(lines.filter((line) => line.includes("WARNING: The list of pods has lost 4 of 4"))).toHaveLength(
      1,
    );
    await pass(250_000);
    expect(names()).toEqual(["a", "c", "d"].map(url));
  });

  test("is believed after five minutes", async () => {
    const { set, names, pass } = await serveFour();
    set.replace([object("a")]);
    await pass(290_000);
    expect(names()).toEqual(four.map(url));
    set.replace([object("a")]);
    await pass(45_000);
    expect(names()).toEqual([url("a")]);
  });

  test("is forgotten when they are listed again", async () => {
    const { set, names, pass } = await serveFour();
    set.replace([]);
    await pass(10_000);
    set.replace(four.map((name) => object(name)));
    await pass(400_000);
    expect(names()).toEqual(four.map(url));
  });

  test("is believed at once where as many others have come: that is a rollout", async () => {
    const { engines, set, names, pass } = await serveFour();
    for (const name of ["e", "f"]) engines.answer(url(name), serving("m"));
    set.replace(["e", "f"].map((name) => object(name)));
    await pass(0);
    expect(names()).toEqual(["e", "f"].map(url));
  });

  test("is believed at once of pods that it says are not ready", async () => {
    const { set, names } = await serveFour();
    set.replace([object("a"), unready("b"), unready("c", "it is terminating"), unready("d")]);
    expect(names()).toEqual([url("a")]);
  });

  test("is believed at once where it has lost no more than half", async () => {
    const { set, names } = await serveFour();
    set.replace([object("a"), object("b")]);
    expect(names()).toEqual([url("a"), url("b")]);
  });
});

describe("a pod that flaps", () => {
  test("comes back at once the first time, and after that only when it has stayed for 30 s", async () => {
    const { engines, set, names, lines, pass } = start();
    for (const name of ["a", "b"]) engines.answer(url(name), serving("m"));
    set.replace([object("a"), object("b")]);
    await pass(0);
    const isIn = () => names().includes(url("a"));
    let changes = 0;
    let was = true;
    for (let second = 0; second < 120; second += 1) {
      set.see(second % 2 === 0 ? unready("a") : object("a"));
      await pass(1000);
      if (isIn() !== was) changes += 1;
      was = isIn();
    }
    expect(changes).toBe(3);
    expect(lines.filter((line) => line.includes("(a) comes and goes"))).toHaveLength(1);
    expect(isIn()).toBe(false);
    await pass(28_000);
    expect(isIn()).toBe(false);
    await pass(2000);
    expect(isIn()).toBe(true);
  });

  test("gets requests while nobody else serves one of its models", async () => {
    const { engines, set, names, pass } = start();
    engines.answer(url("a"), serving("m", "only-here"));
    engines.answer(url("b"), serving("m"));
    set.replace([object("a"), object("b")]);
    await pass(0);
    for (let second = 0; second < 6; second += 1) {
      set.see(second % 2 === 0 ? unready("a") : object("a"));
      await pass(1000);
    }
    expect(names().sort()).toEqual([url("a"), url("b")]);
  });

  test("gets requests while more of them flap than stay", async () => {
    const { engines, set, names, pass } = start();
    const all = ["a", "b", "c", "d", "e"];
    for (const name of all) engines.answer(url(name), serving("m"));
    set.replace(all.map((name) => object(name)));
    await pass(0);
    const flap = async (flapping: readonly string[]): Promise<void> => {
      for (let second = 0; second < 4; second += 1) {
        for (const name of flapping) set.see(second % 2 === 0 ? unready(name) : object(name));
        await pass(1000);
      }
    };
    await flap(["a", "b"]);
    expect(names().sort()).toEqual(["c", "d", "e"].map(url));
    await flap(["c"]);
    expect(names().sort()).toEqual(all.map(url));
  });

  test("gets requests while all others that serve its models sleep", async () => {
    const { engines, set, sleep, names, pass } = start();
    for (const name of ["a", "b"]) engines.answer(url(name), serving("m"));
    set.replace([object("a"), object("b")]);
    await pass(0);
    for (let second = 0; second < 6; second += 1) {
      set.see(second % 2 === 0 ? unready("a") : object("a"));
      await pass(1000);
    }
    expect(names()).toEqual([url("b")]);
    const [id = ""] = set.endpoints.map((endpoint) => endpoint.id);
    sleep.set(id, true);
    expect(names().sort()).toEqual([url("a"), url("b")]);
    sleep.set(id, false);
    expect(names()).toEqual([url("b")]);
  });
});
