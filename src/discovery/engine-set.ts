import type { EngineCounts } from "../core/discovery-status.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { createEngineProber, type ProberDeps, type SleepBook } from "./engine-prober.ts";
import { type Entry, endpointsOf } from "./engine-entry.ts";
import { createFlapping } from "./flapping.ts";
import type { EngineObject } from "./engine-object.ts";

interface EngineSetOptions {
  /** What its objects are called, such as `pods`. */
  readonly what: string;
  /** Which of them stand for engines, such as `pods with app=vllm in namespace default`. */
  readonly selected: string;
  /** Time that an engine has for its answer. */
  readonly timeoutMs: number;
}

interface EngineSetDeps extends ProberDeps {
  /** Engines that were known before: they serve on until the first list has been gone through. */
  readonly known: readonly Endpoint[];
  /** Models that were ever known; outlives the set where the lender keeps it. */
  readonly seen: Set<string>;
  readonly sleep: SleepBook;
}

/** The engines of a cluster, as its objects come and go. */
export interface EngineSet extends AsyncDisposable {
  /** Replaced whole by every change. */
  readonly endpoints: readonly Endpoint[];
  /** All objects that there are now. */
  readonly replace: (objects: readonly EngineObject[]) => void;
  readonly see: (object: EngineObject) => void;
  readonly lose: (object: Pick<EngineObject, "name" | "uid">) => void;
  /** The name of the object that an endpoint stands for. */
  readonly nameOf: (endpointId: string) => string | undefined;
  readonly counts: () => EngineCounts;
}

/** How long an engine that still answers may be missing in the lists. */
const DOUBT_MS = 300_000;

/**
 * Follows what a cluster says. An engine joins when its object is ready and it has told its models, and leaves as
 * soon as its object is not ready, ends or is gone. Two things are not believed at once: a list in which more than
 * half of the engines are suddenly missing, and an object that comes and goes.
 */
export const createEngineSet = (
  { what, selected, timeoutMs }: EngineSetOptions,
  { known, seen, sleep, ...deps }: EngineSetDeps,
): EngineSet => {
  const { clock, log } = deps;
  const entries = new Map<string, Entry>();
  const byKey = new Map<string, Entry>();
  const names = new Map<string, string>();
  const knownById = new Map(known.map((endpoint) => [endpoint.id, endpoint]));
  /** Engines of the first list that have not been asked; `undefined` before that list. */
  let unasked: Set<string> | undefined;
  let joined: { readonly endpoints: readonly Endpoint[]; readonly asleep: ReadonlySet<string> } | undefined;
  const changed = (): void => {
    joined = undefined;
  };

  const join = (): readonly Endpoint[] => {
    const own = endpointsOf(entries.values(), sleep.asleep);
    if (unasked?.size === 0) return own;
    const urls = new Set(own.map(({ url }) => url));
    return [...own, ...known.filter(({ id, url }) => !names.has(id) && !urls.has(url))];
  };

  const leave = (entry: Entry, reason: string): void => {
    const { engine, object } = entry;
    if (!engine) return;
    prober.forget(engine.key);
    byKey.delete(engine.key);
    unasked?.delete(engine.key);
    entry.engine = undefined;
    changed();
    if (engine.cards) log.info(`Engine ${engine.url} (${object.name}) gets no new requests: ${reason}`);
  };

  const drop = (entry: Entry, reason: string): void => {
    leave(entry, reason);
    entry.flapping[Symbol.dispose]();
    entries.delete(entry.object.name);
    names.delete(entry.id);
    sleep.set(entry.id, false);
  };

  const prober = createEngineProber(
    {
      timeoutMs,
      sleep,
      onCards: (key, cards) => {
        const engine = byKey.get(key)?.engine;
        if (!engine) return;
        engine.cards = cards;
        for (const { id } of cards) seen.add(id);
        changed();
      },
      onAsked: (key, hasAnswered) => {
        if (unasked?.delete(key)) changed();
        const entry = byKey.get(key);
        if (entry?.doubtedAt === undefined) return;
        if (!hasAnswered) drop(entry, "it is not listed and does not answer");
        else if (clock.monotonic() - entry.doubtedAt >= DOUBT_MS) drop(entry, "it is still not listed");
      },
    },
    deps,
  );

  const ask = ({ id, object, engine }: Entry): void => {
    if (engine) prober.ask({ ...engine, id, canSleep: object.canSleep });
  };

  const enter = (object: EngineObject): Entry => {
    const { name, uid, isMarkedAsleep, reason } = object;
    const id = Bun.randomUUIDv5(name, "dns");
    const isKnown = knownById.get(id)?.instance === uid;
    // What the router before knew of the very same engine may be newer than its label.
    if (isMarkedAsleep || !isKnown) sleep.set(id, isMarkedAsleep);
    const flapping = createFlapping({ clock, onRelease: changed });
    const entry: Entry = { id, object, flapping, engine: undefined, doubtedAt: undefined };
    entries.set(name, entry);
    names.set(id, name);
    changed();
    if (reason !== undefined) log.info(`${what}/${name} gets no requests yet: ${reason}`);
    return entry;
  };

  const add = (entry: Entry, key: string, url: string): void => {
    const { id, object } = entry;
    const before = knownById.get(id);
    const earlier = before?.instance === object.uid && before.url === url ? before : undefined;
    const addedAt = earlier?.addedAt ?? Math.floor(clock.now() / 1000);
    entry.engine = { key, url, addedAt, cards: earlier?.cards };
    byKey.set(key, entry);
    if (entry.flapping.returns()) {
      log.warning(`Engine ${url} (${object.name}) comes and goes; it gets no requests until it has stayed`);
    }
  };

  const see = (object: EngineObject): void => {
    const old = entries.get(object.name);
    if (old && old.object.uid !== object.uid) drop(old, "another one has taken its name");
    const entry = entries.get(object.name) ?? enter(object);
    const before = entry.object;
    entry.object = object;
    entry.doubtedAt = undefined;
    if (before.isMarkedAsleep !== object.isMarkedAsleep) sleep.set(entry.id, object.isMarkedAsleep);
    if (before.label !== object.label) changed();

    const { url, reason = "its address has changed" } = object;
    const key = `${object.uid} ${url}`;
    if (entry.engine && entry.engine.key !== key) {
      entry.flapping.leaves();
      leave(entry, reason);
    }
    if (url === undefined) return;
    const isNew = !entry.engine;
    if (isNew) add(entry, key, url);
    if (isNew || before.version !== object.version) ask(entry);
  };

  const lose = ({ name, uid }: Pick<EngineObject, "name" | "uid">): void => {
    const entry = entries.get(name);
    if (entry?.object.uid === uid) drop(entry, "it is gone");
  };

  const replace = (objects: readonly EngineObject[]): void => {
    const listed = new Map(objects.map((object) => [object.name, object]));
    const lost = entries
      .values()
      .filter(({ object }) => listed.get(object.name)?.uid !== object.uid)
      .toArray();
    const served = entries
      .values()
      .filter(({ engine }) => engine?.cards)
      .toArray().length;
    const gone = lost.filter(({ engine, object }) => engine?.cards && !listed.has(object.name));
    // As many others in their place are a rollout, not a server that has forgotten.
    const isDoubtful = gone.length * 2 > served && objects.length * 2 < served;
    for (const entry of lost) if (!isDoubtful || !gone.includes(entry)) drop(entry, "it is gone");
    if (isDoubtful) doubt(gone, served);
    for (const object of objects) see(object);
    if (!unasked && objects.length === 0) {
      log.warning(
        `There are no ${selected}, so there is no engine; kubectl get ${what} --show-labels says how to select them`,
      );
    }
    unasked ??= new Set(byKey.keys());
    changed();
  };

  const doubt = (gone: readonly Entry[], served: number): void => {
    const fresh = gone.filter(({ doubtedAt }) => doubtedAt === undefined);
    if (fresh.length > 0)
      log.warning(
        `The list of ${what} has lost ${fresh.length} of ${served} engines at once; those that still answer ` +
          `get requests for up to ${DOUBT_MS / 60_000} minutes`,
      );
    for (const entry of fresh) {
      entry.doubtedAt = clock.monotonic();
      ask(entry);
    }
  };

  return {
    get endpoints() {
      // Who sleeps serves nobody, so that others may be needed.
      if (joined?.asleep !== sleep.asleep) joined = { asleep: sleep.asleep, endpoints: join() };
      return joined.endpoints;
    },
    replace,
    see,
    lose,
    nameOf: (endpointId) => names.get(endpointId),
    counts: () => {
      const all = entries.values().toArray();
      const ready = all.filter(({ engine }) => engine);
      const serving = ready.filter(({ engine, flapping }) => engine?.cards && !flapping.isHeld).length;
      return { serving, waiting: ready.length - serving, unready: all.length - ready.length };
    },
    [Symbol.asyncDispose]: async () => {
      for (const { flapping } of entries.values()) flapping[Symbol.dispose]();
      await prober[Symbol.asyncDispose]();
    },
  };
};
