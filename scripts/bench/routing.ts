import { createPrefixIndex } from "../../src/routing/prefix-index.ts";
import { blocksOf } from "../../src/routing/prompt-blocks.ts";
import { decidingPolicies, measureDecision } from "./decision.ts";

// `bun run bench:routing`: what the prefix index and a decision of each policy cost, in microseconds. Answers are
// checked first; the exit status is 1 when one is wrong.

const KIB = 1024;
const SESSIONS = 200;
const WARM_UP = 300;
const ROUNDS = 1500;

let state = 1;
const random = (): number => {
  state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
  return (state >>> 0) / 2 ** 32;
};

const pick = <Thing>(things: readonly Thing[]): Thing => {
  const thing = things[Math.floor(random() * things.length)];
  if (thing === undefined) throw new Error("nothing to pick from");
  return thing;
};

/** Takes the high bit from four bytes. */
const ASCII = 0x7f7f7f7f;

const system = Buffer.alloc(4 * KIB, "You are a helpful assistant. ");

/** Prompts that begin alike and go on each in its own way. */
const promptsOf = (bytes: number, count: number): readonly Uint8Array[] =>
  Array.from({ length: count }, () => {
    const prompt = Buffer.alloc(bytes);
    for (let at = 0; at < bytes; at += 4) prompt.writeUInt32LE(Math.floor(random() * 2 ** 32) & ASCII, at);
    if (bytes > system.length) system.copy(prompt);
    return prompt;
  });

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;

const micros = (values: readonly number[]): string => (1000 * median(values)).toFixed(1).padStart(9);

/** Median microseconds of cutting, matching and inserting, while each insert evicts. */
const measureIndex = (bytes: number, engineCount: number): string => {
  const index = createPrefixIndex({ capacity: KIB * KIB });
  const engines = Array.from({ length: engineCount }, () => {
    const engine = index.add();
    index.limit(engine, 2_000_000);
    return engine;
  });
  const prompts = promptsOf(bytes, Math.min(SESSIONS, Math.ceil((200 * KIB * KIB) / bytes)));
  const [cut, match, insert]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
    const given = { root: "m", bytes: pick(prompts) };
    const engine = pick(engines);
    const begin = performance.now();
    const blocks = blocksOf(given);
    const isCut = performance.now();
    index.match(blocks);
    const isMatched = performance.now();
    index.insert(blocks, engine);
    const isInserted = performance.now();
    if (index.match(blocks)[engine] !== (blocks.ends.at(-1) ?? 0)) throw new Error("an insert was not found");
    if (round < WARM_UP) continue;
    cut.push(isCut - begin);
    match.push(isMatched - isCut);
    insert.push(isInserted - isMatched);
  }
  const sum = cut.map((value, at) => value + (match[at] ?? 0) + (insert[at] ?? 0));
  return `${micros(cut)}${micros(match)}${micros(insert)}${micros(sum)}`;
};

const main = async (): Promise<void> => {
  const sizes = [KIB, 10 * KIB, 100 * KIB, KIB * KIB];
  const fleets = [8, 64, 1000];
  console.log("prefix index, us (median)      cut    match   insert      all");
  for (const bytes of sizes) {
    for (const count of fleets) {
      console.log(`${`${bytes / KIB} KiB, ${count} engines`.padEnd(24)}${measureIndex(bytes, count)}`);
    }
  }
  const columns = fleets.flatMap((count) => [0, KIB, 100 * KIB].map((bytes) => ({ count, bytes })));
  const heads = columns.map(({ count, bytes }) => `${count}/${bytes / KIB}K`.padStart(9));
  console.log(`\ndecision, us (median)   ${heads.join("")}   engines/prompt`);
  for (const logic of decidingPolicies) {
    const cells: string[] = [];
    for (const { count, bytes } of columns) {
      const prompts = promptsOf(bytes, SESSIONS);
      const taken = await measureDecision(logic, { engines: count, prompts, random });
      cells.push(taken.toFixed(1).padStart(9));
    }
    console.log(`${logic.padEnd(24)}${cells.join("")}`);
  }
};

await main();
