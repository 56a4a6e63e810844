import { describe, expect, test } from "bun:test";
import { inRounds } from "../../src/workers/rounds.ts";
import { settle } from "../support/clock.ts";

/** A task whose rounds end when they are told to. */
const createTask = () => {
  const rounds: PromiseWithResolvers<number>[] = [];
  const ask = inRounds(async () => {
    const round = Promise.withResolvers<number>();
    rounds.push(round);
    return round.promise;
  });
  return { rounds, ask };
};

describe("a task that is done in rounds", () => {
  test("begins at once, and anew for who asks when it is over", async () => {
    const { rounds, ask } = createTask();
    for (const round of [1, 2]) {
      const asked = ask();
      await settle();
      expect(rounds).toHaveLength(round);
      rounds.at(-1)?.resolve(round);
      expect(await asked).toBe(round);
    }
  });

  test("is done once more for all who ask while it is under way, and not before it is over", async () => {
    const { rounds, ask } = createTask();
    const first = ask();
    await settle();
    const others = Array.from({ length: 100 }, ask);
    await settle();
    expect(rounds).toHaveLength(1);
    rounds[0]?.resolve(1);
    expect(await first).toBe(1);
    await settle();
    expect(rounds).toHaveLength(2);
    const late = ask();
    rounds[1]?.resolve(2);
    expect(await Promise.all(others)).toEqual(Array.from({ length: 100 }, () => 2));
    await settle();
    rounds[2]?.resolve(3);
    expect(await late).toBe(3);
  });

  test("fails for those only who share the round that failed", async () => {
    const { rounds, ask } = createTask();
    const first = ask();
    await settle();
    const second = ask();
    rounds[0]?.reject(new Error("it failed"));
    expect(await first.catch(String)).toBe("Error: it failed");
    await settle();
    rounds[1]?.resolve(2);
    expect(await second).toBe(2);
  });
});
