import { type Span, tokensOf } from "../prompt.ts";
import { between, createRandom, exponential, type Random } from "../random.ts";
import { createSpanIds, type Workload, type WorkloadRequest, type WorkloadSize } from "./workload.ts";

/** A range of whole numbers, both ends included. */
export type Range = readonly [least: number, most: number];

/** What conversations are like. */
export interface Conversations {
  /** Users at rate 1 for each engine; each has one conversation after the other. */
  readonly usersPerEngine: number;
  /** Openings that conversations begin with, and how long these are. */
  readonly openings: number;
  readonly openingTokens: Range;
  readonly rounds: Range;
  /** A conversation ends where its next prompt would be longer. */
  readonly maxTokens: number;
  readonly questionTokens: Range;
  readonly answerTokens: Range;
  /** Mean time from an answer to the next question. */
  readonly thinkMs: number;
}

interface User {
  readonly name: string;
  readonly random: Random;
  requestsLeft: number;
  roundsLeft: number;
}

/**
 * Users who wait for each answer, think, and ask on with all that was said: a closed loop. What a user says, and
 * how often, is the same whatever the answers take.
 */
export const converse = (
  kind: Conversations,
  { requests, rate, engines, seed }: WorkloadSize,
  salt: number,
): Workload => {
  const nextId = createSpanIds();
  const common = createRandom(seed, salt);
  const openings = Array.from({ length: kind.openings }, (): Span => ({
    id: nextId(),
    tokens: between(common, ...kind.openingTokens),
  }));
  const users = new Map<string, User>();
  const count = Math.max(1, Math.min(requests, Math.round(kind.usersPerEngine * rate * engines)));

  const ask = (user: User, before: readonly Span[], atMs: number): WorkloadRequest => {
    const { random } = user;
    user.requestsLeft -= 1;
    user.roundsLeft -= 1;
    // Ids are drawn from the user's own numbers: they must not depend on which answer came first.
    const ownId = (): number => 2 ** 32 + Math.floor(random() * 2 ** 46);
    const prompt = [...before, { id: ownId(), tokens: between(random, ...kind.questionTokens) }];
    return {
      atMs,
      prompt,
      promptTokens: tokensOf(prompt),
      outputTokens: between(random, ...kind.answerTokens),
      answerId: ownId(),
      session: user.name,
    };
  };

  const open = (user: User, atMs: number): WorkloadRequest => {
    const opening = openings[between(user.random, 0, openings.length - 1)];
    user.roundsLeft = between(user.random, ...kind.rounds);
    return ask(user, opening ? [opening] : [], atMs);
  };

  const arrivals = Array.from({ length: count }, (_, index) => {
    const user: User = {
      name: `user-${index}`,
      random: createRandom(seed, salt, index),
      requestsLeft: Math.floor(requests / count) + (index < requests % count ? 1 : 0),
      roundsLeft: 0,
    };
    users.set(user.name, user);
    return open(user, user.random() * 2 * kind.thinkMs);
  });

  return {
    arrivals: arrivals.sort((left, right) => left.atMs - right.atMs),
    next: ({ prompt, outputTokens, answerId, session }, endedAtMs) => {
      const user = users.get(session ?? "");
      if (!user || user.requestsLeft === 0) return undefined;
      const atMs = endedAtMs + exponential(user.random, kind.thinkMs);
      const said = answerId === undefined ? prompt : [...prompt, { id: answerId, tokens: outputTokens }];
      const longest = tokensOf(said) + kind.questionTokens[1] + kind.answerTokens[1];
      return user.roundsLeft > 0 && longest <= kind.maxTokens ? ask(user, said, atMs) : open(user, atMs);
    },
  };
};
