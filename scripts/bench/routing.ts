import { createPolicy, policies, routingBy, type RoutingLogic } from "../../src/routing/index.ts";
import type { Candidate, Candidates, RoutePlan, RoutingPolicy } from "../../src/routing/policy.ts";
import { createPrefixIndex } from "../../src/routing/prefix-index.ts";
import { blocksOf } from "../../src/routing/prompt-blocks.ts";

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

const candidatesOf = (count: number): Candidates => {
  const [first, ...rest] = Array.from({ length: count }, (_, index): Candidate => ({
    endpoint: { id: `e${index}`, url: `http://e${index}`, models: ["m"], addedAt: 0 },
    requests: { inPrefill: 0, inDecode: 0, qps: 0 },
  }));
  if (!first) throw new Error("a fleet needs an engine");
  return [first, ...rest];
};

/** Median microseconds of a plan and its booking; the prompt is at hand. */
const measurePolicy = async (
  policy: RoutingPolicy<RoutePlan>,
  candidates: Candidates,
  prompts: readonly Uint8Array[],
): Promise<string> => {
  const times: number[] = [];
  const headers = new Headers();
  for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
    const bytes = pick(prompts);
    const request = {
      model: "m",
      headers,
      at: round * 10,
      field: (name: string) => name === "stream",
      prompt: () => ({ root: "m", bytes }),
    };
    const begin = performance.now();
    const plan = await policy.plan(request, candidates);
    if (plan.kind !== "single") throw new Error("no engine was chosen");
    plan.watcher?.began();
    const elapsed = performance.now() - begin;
    plan.watcher?.streamBegan(20);
    plan.watcher?.ended("done", 100, true);
    if (!candidates.some(({ endpoint }) => endpoint === plan.endpoint))
      throw new Error("no candidate was chosen");
    if (round >= WARM_UP) times.push(elapsed);
  }
  return micros(times);
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
  for (const logic of Object.keys(policies) as RoutingLogic[]) {
    const cells: string[] = [];
    for (const { count, bytes } of columns) {
      const policy = createPolicy(routingBy(logic, { sessionKey: "x-user" }), { random });
      cells.push(await measurePolicy(policy, candidatesOf(count), promptsOf(bytes, SESSIONS)));
    }
    console.log(`${logic.padEnd(24)}${cells.join("")}`);
  }
};

await main();
