import { describe, expect, test } from "bun:test";
import { createKeyring } from "../../src/access/keyring.ts";
import { parseKeyFile, parseKeys, type ParsedKeys } from "../../src/access/keys.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock, settle } from "../support/clock.ts";

const keysOf = (parsed: ParsedKeys) => ("keys" in parsed ? parsed.keys : []);

/** A keyring with one key of its own and a file that a test writes. */
const start = (text = "bob:sk-bob") => {
  const clock = createTestClock();
  const { log, lines } = createTestLog(clock);
  let file = text;
  let reads = 0;
  const keyring = createKeyring(
    {
      keys: keysOf(parseKeys(["alice:sk-alice"])),
      files: [{ path: "keys.txt", keys: keysOf(parseKeyFile(text)) }],
    },
    {
      clock,
      log,
      readKeyFile: async () => {
        reads += 1;
        return parseKeyFile(file);
      },
    },
  );
  const whose = (headers: Record<string, string>) => keyring.nameOf(new Headers(headers));
  return {
    clock,
    keyring,
    whose,
    bearer: (key: string) => whose({ authorization: `Bearer ${key}` }),
    reads: () => reads,
    write: async (changed: string) => {
      file = changed;
      clock.advance(10_000);
      await settle();
    },
    takeLines: () => lines.splice(0).map((line) => line.replace(/^\[.*?\] (.*) \(vllm_router\)\n$/, "$1")),
  };
};

describe("a key", () => {
  test.each<[Record<string, string>, string | undefined]>([
    [{ authorization: "Bearer sk-alice" }, "alice"],
    [{ authorization: "bearer   sk-bob" }, "bob"],
    [{ "x-api-key": "sk-alice" }, "alice"],
    [{ authorization: "Basic abc", "x-api-key": "sk-bob" }, "bob"],
    [{ authorization: "Bearer wrong", "x-api-key": "sk-bob" }, "bob"],
    [{}, undefined],
    [{ authorization: "sk-alice" }, undefined],
    [{ authorization: "Basic sk-alice" }, undefined],
    [{ authorization: "Bearer sk-alice extra" }, undefined],
    [{ authorization: "Bearer " }, undefined],
    [{ "x-api-key": "" }, undefined],
    [{ "x-api-key": "sk-alic" }, undefined],
    [{ "x-api-key": "SK-ALICE" }, undefined],
    [{ "x-api-key": "sk-alice, sk-alice" }, undefined],
  ])("presented as %p is %p's", (headers, name) => {
    expect(start().whose(headers)).toBe(name);
  });
});

describe("a file of keys", () => {
  test("is read every ten seconds, and what it says then counts", async () => {
    const { bearer, write, takeLines } = start();
    await write("carol:sk-carol\nsk-dave");
    expect([bearer("sk-bob"), bearer("sk-carol"), bearer("sk-dave")]).toEqual([undefined, "carol", "2"]);
    expect(bearer("sk-alice")).toBe("alice");
    expect(takeLines()).toEqual(["INFO: The keys of keys.txt have changed: 2 keys"]);
    await write("carol:sk-carol\nsk-dave\n# nothing new");
    expect(takeLines()).toEqual([]);
  });

  test("that cannot be used changes nothing, and is complained of once", async () => {
    const { bearer, write, takeLines } = start();
    await write("");
    await write("");
    expect(bearer("sk-bob")).toBe("bob");
    expect(takeLines()).toEqual(["ERROR: The keys of keys.txt stay as they are: it holds no key"]);
    await write("bob:sk-bob");
    await write("");
    expect(takeLines()).toHaveLength(1);
  });

  test("is read at once when it is asked for", async () => {
    const { keyring, reads } = start();
    await keyring.look();
    expect(reads()).toBe(1);
  });

  test("is not read any more when the keyring has ended", async () => {
    const { clock, keyring, reads } = start();
    await keyring[Symbol.asyncDispose]();
    clock.advance(60_000);
    expect([clock.waiting(), reads()]).toEqual([[], 0]);
  });
});
