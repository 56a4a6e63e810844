import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createLineWriter } from "../../src/core/line-writer.ts";
import { settle } from "../support/clock.ts";

/** A sink whose every write a test finishes by hand. */
const createSink = () => {
  const texts: string[] = [];
  const writing: PromiseWithResolvers<void>[] = [];
  return {
    texts,
    write: async (text: string): Promise<void> => {
      texts.push(text);
      const write = Promise.withResolvers<void>();
      writing.push(write);
      return write.promise;
    },
    finish: async (): Promise<void> => {
      writing.shift()?.resolve();
      await settle();
    },
    fail: async (): Promise<void> => {
      writing.shift()?.reject(new Error("reader gone"));
      await settle();
    },
    isWriting: () => writing.length > 0,
  };
};

const start = (gather?: () => Promise<void>) => {
  const stdout = createSink();
  const stderr = createSink();
  return { stdout, stderr, writer: createLineWriter({ stdout, stderr }, gather) };
};

const MEGABYTE = "x".repeat(1024 * 1024);

describe("lines", () => {
  test("of one turn share a write; those that come meanwhile share the next", async () => {
    const { stdout, writer } = start();
    writer.write("stdout", "1\n");
    writer.write("stdout", "2\n");
    expect(stdout.texts).toEqual([]);
    await settle();
    expect(stdout.texts).toEqual(["1\n2\n"]);
    for (const line of ["3\n", "4\n", "5\n"]) writer.write("stdout", line);
    await settle();
    expect(stdout.texts).toHaveLength(1);
    await stdout.finish();
    expect(stdout.texts).toEqual(["1\n2\n", "3\n4\n5\n"]);
    await stdout.finish();
    writer.write("stdout", "6\n");
    await settle();
    expect(stdout.texts).toEqual(["1\n2\n", "3\n4\n5\n", "6\n"]);
  });

  test("wait to be gathered before the first write", async () => {
    const { promise: gathered, resolve } = Promise.withResolvers<void>();
    const { stdout, writer } = start(async () => gathered);
    writer.write("stdout", "1\n");
    await settle();
    writer.write("stdout", "2\n");
    expect(stdout.texts).toEqual([]);
    resolve();
    await settle();
    expect(stdout.texts).toEqual(["1\n2\n"]);
  });

  test("of one stream do not wait for the other's reader", async () => {
    const { stdout, stderr, writer } = start();
    writer.write("stdout", "stuck\n");
    await settle();
    writer.write("stderr", "free\n");
    await settle();
    expect([stdout.texts, stderr.texts]).toEqual([["stuck\n"], ["free\n"]]);
  });
});

describe("a slow reader", () => {
  test("costs bounded memory: what exceeds 4 MiB is dropped and counted, what fits arrives whole", async () => {
    const { stdout, writer } = start();
    writer.write("stdout", "first");
    await settle();
    for (let line = 0; line < 10; line += 1) writer.write("stdout", MEGABYTE);
    expect(writer.dropped()).toBe(6);
    await stdout.finish();
    expect(stdout.texts[1]).toHaveLength(4 * MEGABYTE.length);
    writer.write("stdout", "later");
    await stdout.finish();
    expect(stdout.texts[2]).toBe("later");
    expect(writer.dropped()).toBe(6);
  });

  test("does not crowd out the other stream's lines", async () => {
    const { stderr, writer } = start();
    for (let line = 0; line < 10; line += 1) writer.write("stdout", MEGABYTE);
    writer.write("stderr", "warning\n");
    await settle();
    expect(stderr.texts).toEqual(["warning\n"]);
  });
});

describe("a reader that is gone", () => {
  test("loses the lines of its write, which are counted, and the next ones are tried again", async () => {
    const { stdout, writer } = start();
    for (const line of ["1\n", "2\n", "3\n"]) writer.write("stdout", line);
    await settle();
    await stdout.fail();
    expect(writer.dropped()).toBe(3);
    writer.write("stdout", "4\n");
    await settle();
    await stdout.finish();
    expect(stdout.texts).toEqual(["1\n2\n3\n", "4\n"]);
    expect(writer.dropped()).toBe(3);
  });

  test("is survived although the sink throws before it promises anything", async () => {
    const broken = {
      write: (): Promise<void> => {
        throw new Error("closed");
      },
    };
    const writer = createLineWriter({ stdout: broken, stderr: broken });
    writer.write("stdout", "1\n");
    await writer.flush();
    expect(writer.dropped()).toBe(1);
  });
});

describe("flushing", () => {
  test("waits for both streams and for lines that come while it waits", async () => {
    const { stdout, stderr, writer } = start();
    let isFlushed = false;
    writer.write("stdout", "1\n");
    writer.write("stderr", "2\n");
    const flushed = writer.flush().then(() => {
      isFlushed = true;
    });
    await settle();
    writer.write("stdout", "3\n");
    await stdout.finish();
    await stderr.finish();
    expect(isFlushed).toBe(false);
    await stdout.finish();
    await flushed;
    expect(stdout.texts).toEqual(["1\n", "3\n"]);
  });

  test("has nothing to wait for where nothing was written, or its reader is gone", async () => {
    const { stdout, writer } = start();
    await writer.flush();
    writer.write("stdout", "1\n");
    const flushed = writer.flush();
    await settle();
    await stdout.fail();
    await flushed;
    expect(writer.dropped()).toBe(1);
  });
});

test("whatever readers do, lines arrive in order, whole and once, or are counted", async () => {
  const action = fc.tuple(fc.constantFrom("write", "write", "write", "finish", "fail"), fc.boolean());
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      const { stdout, writer } = start();
      const failed = new Set<number>();
      let finished = 0;
      let lines = 0;
      for (const [kind, isSettled] of actions) {
        if (kind === "write") writer.write("stdout", `${(lines += 1)}\n`);
        else if (stdout.isWriting()) {
          if (kind === "fail") failed.add(finished);
          finished += 1;
          await (kind === "fail" ? stdout.fail() : stdout.finish());
        }
        if (isSettled) await settle();
      }
      await settle();
      while (stdout.isWriting()) await stdout.finish();
      await writer.flush();
      const numbers = stdout.texts.join("").trim().split("\n").filter(Boolean).map(Number);
      expect(numbers).toEqual(Array.from({ length: lines }, (_, index) => index + 1));
      const lost =
        stdout.texts
          .filter((_, index) => failed.has(index))
          .join("")
          .split("\n").length - 1;
      expect(writer.dropped()).toBe(Math.max(0, lost));
    }),
    { numRuns: 300 },
  );
});
