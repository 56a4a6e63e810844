import type { Config } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { Log, WriteLine } from "../core/log.ts";
import type { StartThread } from "../core/thread.ts";
import type { MetricsState } from "../metrics/registry.ts";
import { createThreadStates } from "../metrics/thread-states.ts";
import type { Router } from "../router.ts";
import type { Sharing } from "../sharing.ts";
import { type Answering, createAnswering } from "./answering.ts";
import { createViewWriter, type ViewChange } from "./engine-view.ts";
import { type KeptWorker, keepWorker } from "./kept-worker.ts";
import type { Next, Order, ToWorker, WorkerSetup } from "./messages.ts";
import { createPlaces } from "./places.ts";
import { inRounds } from "./rounds.ts";
import { allocateSigns, signOf } from "./signs.ts";
import { type Said, startWorker, type Worker } from "./worker.ts";

interface WorkersOptions extends Pick<WorkerSetup, "isColored"> {
  readonly count: number;
  /** The first one. */
  readonly config: Config;
}

interface WorkersDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly startThread: StartThread;
  /** Takes the lines of their logs. */
  readonly write: WriteLine;
  /** Told of what nobody caught in one of them. */
  readonly onFault: (error: unknown) => void;
  /** Told of one that has ended by itself. */
  readonly onFailure?: ((error: Error) => void) | undefined;
}

/** The router of the control plane: what it knows is what the workers serve by, and it answers what they do not. */
type Control = Pick<Router, "inside" | "view" | "catchUp" | "suspect">;

/** Threads that serve requests on one port. Disposing it ends them, whatever they do. */
export interface Workers extends AsyncDisposable {
  /** The part of the control plane's routers in what all count together. */
  readonly sharing: Sharing;
  /** Before a router is made by another configuration. */
  readonly prepare: (config: Config) => void;
  /** From now on they serve by this configuration, and by what this router knows. */
  readonly follow: (config: Config, control: Control) => void;
  /** Resolves when all of them do. */
  readonly following: () => Promise<void>;
  /** Starts them; resolves to where they listen, or rejects where one cannot. */
  readonly start: (port: number) => Promise<string>;
  /** What they have counted of these servers, those that have ended included. */
  readonly counted: (servers: ReadonlySet<string>) => Promise<readonly MetricsState[]>;
  /** They look at the files of keys. */
  readonly lookAtKeys: () => void;
  /** They are not ready any more; resolves when each of them knows. */
  readonly drain: () => Promise<void>;
  /** All of them as one server, to be left. */
  readonly server: Pick<Bun.Server<undefined>, "stop" | "pendingRequests">;
  /** Ends the requests that are under way with an error. */
  readonly cut: () => void;
}

/** How soon what has changed is told. */
const LOOK_MS = 50;
/** Time that they have to say what they know already. */
const ANSWER_MS = 1000;

/** Workers that are told what changes, and whose questions are answered. */
export const createWorkers = (
  { count, config: first, isColored }: WorkersOptions,
  { clock, log, startThread, write, onFault, onFailure }: WorkersDeps,
): Workers => {
  const rows = Array.from({ length: count }, (_, index) => index + 1);
  const signs = allocateSigns(count);
  const writer = createViewWriter();
  const parts = new AsyncDisposableStack();
  const live = new Map<number, Worker>();
  const states = createThreadStates({ clock });
  let isLeaving = false;
  let followed: { readonly config: Config; readonly control: Control } | undefined;

  const nowFollowed = (): NonNullable<typeof followed> => {
    if (!followed) throw new TypeError("workers have nothing to follow yet");
    return followed;
  };
  const post = (message: ToWorker): void => {
    for (const worker of live.values()) worker.post(message);
  };
  /** Those that hang are not waited for any longer than that. */
  const askAll = async (
    order: Order,
    onAnswer: (row: number, counted: MetricsState | undefined) => void = () => {},
    mostMs = ANSWER_MS,
  ): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = clock.after(mostMs, resolve);
    const answers = Array.from(live, async ([row, worker]) => {
      const counted = await worker.ask(order);
      if (live.get(row) === worker) onAnswer(row, counted);
    });
    await Promise.race([promise, Promise.all(answers)]);
  };
  /** Of whoever asked last what they have counted. */
  let servers: ReadonlySet<string> = new Set();
  // What each of them has counted is a large message: those who ask at the same time share it.
  const countAll = inRounds(async () =>
    askAll({ kind: "count", servers }, (row, counted) => counted && states.tell(row, counted)),
  );
  const none: readonly Endpoint[] = [];
  const places = createPlaces(
    { workers: count, config: first, endpoints: () => followed?.control.view().endpoints ?? none },
    { log },
  );
  let lastTold: Promise<void> = Promise.resolve();

  const look = (): ViewChange | undefined => {
    const { control } = nowFollowed();
    const change = writer.look(control.view(), places.now());
    // Whoever comes gets its share bit by bit from now on, in all workers.
    if (change) control.catchUp();
    return change;
  };
  /** Resolves when all serve by what is known now. */
  const tell = async (change: ViewChange, next?: Next): Promise<void> => {
    const { version } = writer.state().places;
    const order: Order = { kind: "view", change, ...(next && { next }) };
    const told = askAll(order, (row) => places.acknowledged(row, version));
    lastTold = Promise.all([lastTold, told]).then(() => {});
    return lastTold;
  };
  const publish = async (): Promise<void> => {
    const change = look();
    return change ? tell(change) : lastTold;
  };
  const hear = (said: Said, { ask, left }: Answering): void => {
    switch (said.kind) {
      case "lines":
        write(said.stream, said.text);
        break;
      case "fault":
        onFault(said.error);
        break;
      case "ask":
        ask(said.asked);
        break;
      case "left":
        left(said.id);
        break;
      case "suspect":
        nowFollowed().control.suspect(said.endpointId);
        break;
      default:
        said satisfies never;
    }
  };

  const startRow = (row: number, port: number): Worker => {
    void publish();
    const answering = createAnswering({
      onFault,
      inside: async (request, server) => nowFollowed().control.inside(request, server),
      tell: (answer) => {
        // What an answer tells of holds in every worker for whoever has read it.
        void publish().then(() => worker.post({ kind: "answer", answer }));
      },
    });
    const { config } = nowFollowed();
    const { memory } = places.sharing;
    const now = { at: clock.monotonic(), wall: clock.now() };
    const worker = startWorker(
      { row, clock: now, port, config, view: writer.state(), memory, signs, isColored },
      { startThread, hear: (said) => hear(said, answering) },
    );
    places.acknowledged(row, writer.state().places.version);
    live.set(row, worker);
    void worker.ended.then(() => {
      live.delete(row);
      answering.leftAll();
    });
    return worker;
  };

  const keep = (row: number, port: number): KeptWorker => {
    const sign = signOf(signs, row);
    return keepWorker(
      { row, start: () => startRow(row, port), beats: sign.beats, isWanted: () => !isLeaving },
      {
        clock,
        log,
        onGone: (reason) => {
          sign.setPending(0);
          places.bury(row);
          states.bury(row);
          onFailure?.(new Error(`Worker ${row} ${reason}`));
        },
      },
    );
  };

  const follow = (config: Config, control: Control): void => {
    followed = { config, control };
    void tell(look() ?? {}, { config, memory: places.sharing.memory });
  };

  return {
    sharing: places.sharing,
    prepare: places.renew,
    follow,
    following: async () => lastTold,
    start: async (port) => {
      const kept = rows.map((row) => parts.use(keep(row, port)));
      let timer: Disposable | undefined;
      const lookAgain = (): void => {
        void publish();
        timer = clock.after(LOOK_MS, lookAgain);
      };
      lookAgain();
      parts.defer(() => timer?.[Symbol.dispose]());
      const [origin = ""] = await Promise.all(kept.map(async ({ listening }) => listening));
      return origin;
    },
    counted: async (ofThese) => {
      servers = ofThese;
      await countAll();
      return states.all(ofThese);
    },
    lookAtKeys: () => post({ kind: "keys" }),
    drain: async () => {
      // One that started now would take requests that others have stopped to take.
      isLeaving = true;
      await askAll({ kind: "drain" });
    },
    server: {
      get pendingRequests() {
        return rows.reduce((sum, row) => sum + signOf(signs, row).pending(), 0);
      },
      stop: async (closesActive = false) => {
        await askAll({ kind: "stop", closesActive }, undefined, Number.POSITIVE_INFINITY);
      },
    },
    cut: () => post({ kind: "cut" }),
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};
