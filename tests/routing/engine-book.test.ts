import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RequestOutcome } from "../../src/core/request-stats.ts";
import { createEngineBook } from "../../src/routing/engine-book.ts";
import { outstandingWork } from "../../src/routing/engine-load.ts";
import { candidatesAt } from "../support/candidates.ts";
import { promptAt } from "./planned.ts";

const start = () => createEngineBook(() => ({}));
const two = candidatesAt(["http://a", "http://b"]);
const text = (letter: string, bytes = 4096): string => letter.repeat(bytes);
const idle = { waiting: 0, waitingTokens: 0, decoding: 0 };

/** Sends a prompt to the first candidate. */
const send = (book: ReturnType<typeof start>, prompt: string, candidates = two) => {
  const { engines, planOn } = book.look(promptAt(prompt), candidates);
  const plan = planOn(engines[0], "load", "test");
  plan.watcher.began();
  return { engine: engines[0], ...plan };
};

const cachedOn = (book: ReturnType<typeof start>, prompt: string, candidates = two): readonly number[] => {
  const sight = book.look(promptAt(prompt), candidates);
  return sight.engines.map(sight.cachedOn);
};

describe("the work of an engine", () => {
  test("is the tokens that wait without those that it has cached, then the answers that stream", () => {
    const book = start();
    const { engine, watcher } = send(book, text("x"));
    expect(engine).toMatchObject({ waiting: 1, waitingTokens: 1024, decoding: 0 });
    const again = send(book, text("x") + text("y"));
    expect(engine).toMatchObject({ waiting: 2, waitingTokens: 2048, decoding: 0 });
    watcher.streamBegan(1);
    expect(engine).toMatchObject({ waiting: 1, waitingTokens: 1024, decoding: 1 });
    expect(outstandingWork(engine)).toBeGreaterThan(1024);
    watcher.ended("done", 2, true);
    again.watcher.ended("done", 2, false);
    expect(engine).toMatchObject(idle);
  });

  test("is nothing again however requests end, and wherever their engines go meanwhile", () => {
    const step = fc.record({
      kind: fc.constantFrom("send", "begin", "end", "leave"),
      outcome: fc.constantFrom<RequestOutcome>("done", "refused", "failed", "client_closed"),
      which: fc.nat(),
      prompt: fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const book = start();
        let open: (ReturnType<typeof send> & { hasBegun?: true })[] = [];
        const seen = new Set<ReturnType<typeof send>["engine"]>();
        const end = (sent: (typeof open)[0], outcome: RequestOutcome): void => {
          sent.watcher.ended(outcome, 1, sent.hasBegun === true);
          open = open.filter((other) => other !== sent);
        };
        for (const { kind, outcome, which, prompt } of steps) {
          const sent = open[which % Math.max(1, open.length)];
          if (kind === "send") {
            open.push(
              send(
                book,
                prompt.replaceAll(/./g, (letter) => text(letter, 64)),
              ),
            );
            for (const { engine } of open) seen.add(engine);
          } else if (kind === "leave") book.keepOnly(new Set(which % 2 === 0 ? [] : ["id of http://a"]));
          else if (sent && kind === "end") end(sent, outcome);
          else if (sent && !sent.hasBegun) {
            sent.hasBegun = true;
            sent.watcher.streamBegan(1);
          }
        }
        for (const sent of open) end(sent, "done");
        for (const engine of seen) expect(engine).toMatchObject(idle);
      }),
    );
  });

  test("of a plan that is not carried out is nothing", () => {
    const book = start();
    const { engines, planOn } = book.look(promptAt(text("x")), two);
    planOn(engines[0], "load", "test");
    expect([engines[0].waiting, cachedOn(book, text("x"))]).toEqual([0, [0, 0]]);
  });
});

describe("the cache of an engine", () => {
  test("is told of all candidates at once as of each, in their order", () => {
    const book = start();
    send(book, text("x"));
    for (const candidates of [two, candidatesAt(["http://b", "http://a"]), candidatesAt(["http://b"])]) {
      const { engines, bytesOn, held } = book.look(promptAt(text("x")), candidates);
      const { bytes, most } = held();
      expect([...bytes]).toEqual(engines.map(bytesOn));
      expect(most).toBe(Math.max(...bytes));
      expect(most).toBe(engines.length === 1 ? 0 : 4096);
    }
  });

  test("holds what it was sent, from then on", () => {
    const book = start();
    send(book, text("x"));
    expect(cachedOn(book, text("x") + text("y"))).toEqual([1024, 0]);
  });

  test.each<[RequestOutcome, number]>([
    ["failed", 1024],
    ["refused", 1024],
    ["client_closed", 1024],
    ["done", 2048],
  ])("of a request that was %s before its answer holds %d tokens", (outcome, tokens) => {
    const book = start();
    send(book, text("x"));
    send(book, text("x") + text("y")).watcher.ended(outcome, 1, false);
    expect(cachedOn(book, text("x") + text("y"))).toEqual([tokens, 0]);
  });

  test("is lost when the engine cannot serve, also to a request that ends afterwards", () => {
    const book = start();
    const old = send(book, text("x"));
    book.keepOnly(new Set(["id of http://b"]));
    const again = candidatesAt(["http://a", "http://b"]);
    expect(cachedOn(book, text("x"), again)).toEqual([0, 0]);
    send(book, text("x"), again);
    old.watcher.ended("failed", 1, false);
    expect(cachedOn(book, text("x"), again)).toEqual([1024, 0]);
  });

  test("is as large as the engine says, as soon as it says it", () => {
    const book = start();
    let blockCount: number | undefined;
    const [a, b] = candidatesAt(["http://a", "http://b"]);
    const told = {
      ...a,
      get engine() {
        return blockCount === undefined ? undefined : { blockCount, blockSize: 16 };
      },
    };
    const candidates = [told, b ?? a] as const;
    const sendAll = (): void => {
      for (const letter of "abcdefghijklmnopqrst") send(book, text(letter), candidates);
    };
    sendAll();
    expect(cachedOn(book, text("a"), candidates)).toEqual([1024, 0]);
    // 1600 tokens at 4 bytes hold one of these prompts.
    blockCount = 100;
    for (let round = 0; round < 20; round += 1) send(book, text(`${round}`, 4100), candidates);
    expect(cachedOn(book, text("a"), candidates)).toEqual([0, 0]);
    expect(cachedOn(book, text("19", 2048), candidates)[0]).toBeGreaterThan(500);
  });

  test("is taken for smaller after answers that found less in it than was expected", () => {
    const book = start();
    const long = text("x", 2_000_000);
    const hold = (found: number): boolean => {
      for (let index = 0; index < 200; index += 1) {
        const { watcher } = send(book, long);
        watcher.tokens({ input: 500_000, output: 1, cached: found });
        watcher.ended("done", 1, false);
      }
      for (let index = 0; index < 20; index += 1) send(book, `${found} ${index}${text("y", 20_000)}`);
      send(book, long.slice(0, 1000));
      return (cachedOn(book, long)[0] ?? 0) > 200_000;
    };
    expect(hold(262_144)).toBe(true);
    expect(hold(0)).toBe(false);
  });
});

test("tokens are told from bytes as answers have taught, for each model", () => {
  const book = start();
  expect(book.look(promptAt(text("x")), two).tokens).toBe(1024);
  for (let index = 0; index < 200; index += 1) {
    const { watcher } = send(book, text("x"));
    watcher.tokens({ input: 2048, output: 1 });
    watcher.ended("done", 1, false);
  }
  expect(book.look(promptAt(text("x")), two).tokens).toBeCloseTo(2048, 0);
  expect(book.look({ ...promptAt(text("x")), model: "other" }, two).tokens).toBe(1024);
});

test("a request without a prompt is work of its own", () => {
  const book = start();
  const { engines, planOn, tokens } = book.look({ ...promptAt(""), prompt: () => undefined }, two);
  const { watcher } = planOn(engines[0], "load", "test");
  watcher.began();
  expect([tokens, engines[0].waiting, engines[0].waitingTokens]).toEqual([0, 1, 1]);
  watcher.ended("done", 1, false);
  expect(engines[0]).toMatchObject(idle);
});
