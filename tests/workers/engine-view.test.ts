import { describe, expect, test } from "bun:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { EngineStats } from "../../src/core/engine-stats.ts";
import type { EngineView } from "../../src/engines.ts";
import { createViewWriter, followView, type ViewChange } from "../../src/workers/engine-view.ts";

const engine = (id: string, model = "m"): Endpoint => ({
  id,
  url: `http://${id}`,
  models: [model],
  addedAt: 0,
});

/** What is known of engines, to be changed by a test. */
const knowing = (endpoints: readonly Endpoint[]) => {
  const changedAt = new Map<string, number>();
  const readings = new Map<string, EngineStats>();
  const known = {
    endpoints,
    asleep: new Set<string>(),
    excluded: { engines: new Set<string>(), models: new Set<string>() },
  };
  const seen = new Set(endpoints.flatMap(({ models }) => models));
  const view = (): EngineView => ({
    ...known,
    changedAt: (id) => changedAt.get(id),
    hasSeen: (model) => seen.has(model),
    statsOf: (id) => readings.get(id),
  });
  return { known, changedAt, readings, seen, view };
};

const places = (version: number) => ({ slots: new Map([["a", version]]), version });

/** As a message comes to another thread. */
const sent = (change: ViewChange | undefined): ViewChange => structuredClone(change ?? {});

describe("a view of engines in another thread", () => {
  test("is told what has changed, and nothing where nothing has", () => {
    const { known, changedAt, readings, view } = knowing([engine("a"), engine("b")]);
    const writer = createViewWriter();
    expect(Object.keys(writer.look(view(), places(1)) ?? {}).toSorted()).toEqual(
      ["asleep", "changedAt", "endpoints", "excluded", "places", "seen"].toSorted(),
    );
    expect(writer.look(view(), places(1))).toBeUndefined();

    known.asleep = new Set(["b"]);
    expect(writer.look(view(), places(1))).toEqual({ asleep: new Set(["b"]) });
    changedAt.set("a", 17);
    known.excluded = { engines: new Set(["a"]), models: new Set() };
    expect(writer.look(view(), places(1))).toEqual({
      excluded: { engines: new Set(["a"]), models: new Set() },
      changedAt: new Map([["a", 17]]),
    });
    readings.set("a", { running: 1 });
    expect(writer.look(view(), places(1))).toEqual({
      readings: new Map([["a", { running: 1 }]]),
    });
    readings.delete("a");
    expect(writer.look(view(), places(1))).toEqual({ readings: new Map() });
    expect(writer.look(view(), places(2))).toEqual({ places: places(2) });
    expect(writer.look(view(), places(2))).toBeUndefined();
  });

  test("says the same there as here, after every change", () => {
    const { known, changedAt, readings, view } = knowing([engine("a")]);
    const writer = createViewWriter();
    writer.look(view(), places(1));
    const followed = followView(structuredClone(writer.state()));
    const changes = [
      () => (known.endpoints = [engine("a"), engine("b", "other")]),
      () => (known.asleep = new Set(["a"])),
      () => readings.set("b", { running: 3 }),
      () => {
        changedAt.set("b", 5);
        known.excluded = { engines: new Set(["b"]), models: new Set(["a m"]) };
      },
      () => (known.endpoints = [engine("b", "other")]),
    ];
    for (const [version, change] of changes.entries()) {
      change();
      followed.apply(sent(writer.look(view(), places(version))));
      const here = view();
      expect(followed.endpoints).toEqual(here.endpoints);
      expect(followed.asleep).toEqual(here.asleep);
      expect(followed.excluded).toEqual(here.excluded);
      for (const { id } of here.endpoints) {
        expect([id, followed.statsOf(id), followed.changedAt(id)]).toEqual([
          id,
          here.statsOf(id),
          here.changedAt(id),
        ]);
      }
      expect(followed.slotOf("a")).toBe(version);
    }
  });

  test("keeps the same objects for what has not changed: policies keep what they derived from them", () => {
    const { known, view } = knowing([engine("a")]);
    const writer = createViewWriter();
    writer.look(view(), places(1));
    const followed = followView(structuredClone(writer.state()));
    const { endpoints, excluded } = followed;
    known.asleep = new Set(["a"]);
    followed.apply(sent(writer.look(view(), places(1))));
    expect(followed.endpoints).toBe(endpoints);
    expect(followed.excluded).toBe(excluded);
  });

  test("knows of models that are gone as long as discovery does", () => {
    const { known, seen, view } = knowing([engine("a", "old")]);
    const writer = createViewWriter();
    writer.look(view(), places(1));
    const followed = followView(structuredClone(writer.state()));
    seen.add("new");
    known.endpoints = [engine("a", "new")];
    followed.apply(sent(writer.look(view(), places(1))));
    expect([followed.hasSeen("old"), followed.hasSeen("new"), followed.hasSeen("never")]).toEqual([
      true,
      true,
      false,
    ]);
    seen.delete("old");
    known.endpoints = [engine("b", "new")];
    followed.apply(sent(writer.look(view(), places(1))));
    expect(followed.hasSeen("old")).toBe(false);
  });
});
