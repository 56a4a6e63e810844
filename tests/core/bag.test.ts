import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Bagged, createBag } from "../../src/core/bag.ts";

test("a bag holds what a set would, in whatever order things come and go, twice or in vain", () => {
  const steps = fc.array(fc.record({ isAdded: fc.boolean(), which: fc.nat(9) }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (taken) => {
      const things = Array.from({ length: 10 }, (): Bagged => ({ place: undefined }));
      const bag = createBag<Bagged>();
      const set = new Set<Bagged>();
      for (const { isAdded, which } of taken) {
        const thing = things[which] ?? { place: undefined };
        if (isAdded) {
          bag.add(thing);
          set.add(thing);
        } else {
          bag.remove(thing);
          set.delete(thing);
        }
        expect(bag.all()).toHaveLength(set.size);
        expect(new Set(bag.all())).toEqual(set);
        expect(things.map(({ place }) => place !== undefined)).toEqual(things.map((each) => set.has(each)));
      }
    }),
  );
});

test("things come and go while a bag is walked", () => {
  const bag = createBag<Bagged & { readonly name: string }>();
  const [one, two, three] = ["one", "two", "three"].map((name) => ({ name, place: undefined }));
  for (const thing of [one, two]) if (thing) bag.add(thing);
  const walked: string[] = [];
  for (const thing of bag.all()) {
    walked.push(thing.name);
    bag.remove(thing);
    if (three) bag.add(three);
  }
  expect(walked).toEqual(["one", "two"]);
  expect(bag.all().map(({ name }) => name)).toEqual(["three"]);
});
