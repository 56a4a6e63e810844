import type { Clock } from "../core/clock.ts";
import type { RequestWatcher, TokenUsage } from "../core/request-stats.ts";
import type { RoutePlan, RoutingPolicy, RoutingRequest } from "../routing/policy.ts";
import { TRACE_BLOCK_TOKENS } from "./workloads/trace.ts";

/** Bytes that stand for the tokens of a block: what they take of English text. */
const BLOCK_BYTES = 4 * TRACE_BLOCK_TOKENS;
/** Blocks that are told apart by what they say; what a longer prompt says after them counts as its own. */
const MAX_BLOCKS = 1024;
/** Bytes of a hash that an exact number can hold. */
const ID_BYTES = 6;
/** Requests after which a recording is full: some 200 MB. */
const MAX_REQUESTS = 1_000_000;

/** Writes down what comes to a router. */
export interface TraceRecorder {
  /** The same policy, whose requests are recorded as their answers end. */
  readonly record: (policy: RoutingPolicy<RoutePlan>) => RoutingPolicy<RoutePlan>;
}

interface RecorderDeps {
  readonly clock: Clock;
  /** Takes a line without making the caller wait. */
  readonly write: (line: string) => void;
  /** Told once, when a recording is full. */
  readonly onFull: (requests: number) => void;
  /** Keeps the hashes of one recording from being compared with known texts; 16 random bytes. */
  readonly salt: Uint8Array;
}

/** Ids of the full blocks of a prompt: each a salted hash of all bytes up to the block's end. */
const idsOf = (bytes: Uint8Array, root: string, salt: Uint8Array): readonly number[] => {
  const count = Math.min(MAX_BLOCKS, Math.floor(bytes.length / BLOCK_BYTES));
  let chain: Uint8Array = new Bun.CryptoHasher("sha256").update(salt).update(root).digest();
  return Array.from({ length: count }, (_, index) => {
    const block = bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
    chain = new Bun.CryptoHasher("sha256").update(chain).update(block).digest();
    return Buffer.from(chain.buffer, chain.byteOffset).readUIntBE(0, ID_BYTES);
  });
};

/** Tells a watcher, where there is one, and another. */
const both = (first: RequestWatcher | undefined, second: RequestWatcher): RequestWatcher =>
  first
    ? {
        began: () => {
          first.began();
          second.began();
        },
        streamBegan: first.streamBegan,
        tokens: (usage) => {
          first.tokens(usage);
          second.tokens(usage);
        },
        ended: (...end) => {
          first.ended(...end);
          second.ended(...end);
        },
      }
    : second;

/**
 * Records requests as lines of a Mooncake trace: `timestamp` (ms since the recorder began), `input_length` and
 * `output_length` (tokens, as the engine counted them) and `hash_ids`. Nothing of what was said can be read from
 * them. Answers that broke off, and those whose engine tells no usage, are left out. Lines come as answers end.
 */
export const createTraceRecorder = ({ clock, write, onFull, salt }: RecorderDeps): TraceRecorder => {
  const beganAt = clock.monotonic();
  let recorded = 0;
  let others = 0;

  /** Ids that no other prompt has, for what no full block stands for. */
  const ownId = (): number => 2 ** (8 * ID_BYTES) + (others += 1);

  const writeDown = (at: number, { input, output }: TokenUsage, known: readonly number[]): void => {
    const blocks = Math.ceil(input / TRACE_BLOCK_TOKENS);
    const line = {
      timestamp: Math.round(at - beganAt),
      input_length: input,
      output_length: output,
      hash_ids: Array.from({ length: blocks }, (_, index) => known[index] ?? ownId()),
    };
    write(`${JSON.stringify(line)}\n`);
    recorded += 1;
    if (recorded === MAX_REQUESTS) onFull(recorded);
  };

  const watch = ({ prompt, at }: RoutingRequest): RequestWatcher => {
    let known: readonly number[] | undefined;
    const ids = (): readonly number[] => {
      const said = known ? undefined : prompt();
      return (known ??= said ? idsOf(said.bytes, said.root, salt) : []);
    };
    let usage: TokenUsage | undefined;
    return {
      // Once the request is on its way: nobody waits for the hashes.
      began: () => {
        if (recorded < MAX_REQUESTS) clock.after(0, ids);
      },
      streamBegan: () => undefined,
      tokens: (told) => {
        usage = told;
      },
      ended: (outcome) => {
        if (recorded === MAX_REQUESTS || outcome !== "done" || !usage || usage.input < 1) return;
        writeDown(at, usage, ids());
      },
    };
  };

  const add = (plan: RoutePlan, request: RoutingRequest): RoutePlan =>
    plan.kind === "single" ? { ...plan, watcher: both(plan.watcher, watch(request)) } : plan;

  return {
    record: (policy) => ({
      ...policy,
      plan: (request, candidates) => {
        const planned = policy.plan(request, candidates);
        return planned instanceof Promise
          ? planned.then((plan) => add(plan, request))
          : add(planned, request);
      },
    }),
  };
};
