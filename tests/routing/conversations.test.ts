import { expect, test } from "bun:test";
import { createConversations } from "../../src/routing/conversations.ts";
import { blocksOf, type PromptBlocks } from "../../src/routing/prompt-blocks.ts";

const blocks = (text: string): PromptBlocks => blocksOf({ root: "m", bytes: Buffer.from(text) });
const words = (name: string, bytes: number): string => `${name} `.repeat(bytes).slice(0, bytes);
const endOf = ({ ends }: PromptBlocks): number => ends.at(-1) ?? 0;

/** Conversations of which each has so many rounds, the prompts of which take 100 ms. */
const talk = (count: number, rounds: number) => {
  const conversations = createConversations();
  for (let index = 0; index < count; index += 1) {
    let said = words(`${index}`, 2000);
    let known = 0;
    for (let round = 0; round < rounds; round += 1) {
      const prompt = blocks(said);
      conversations.came(prompt, known, 100);
      known = endOf(prompt);
      said += words(`${index}.${round}`, 3000);
    }
  }
  return conversations;
};

test("what follows a request is what its conversation has still to come, in the mean", () => {
  expect(talk(300, 11).followingMs()).toBeWithin(900, 1100);
  expect(talk(1500, 2).followingMs()).toBeWithin(90, 110);
});

test("nothing follows requests that go on from none, though they begin alike", () => {
  const conversations = createConversations();
  const system = words("system", 8192);
  for (let index = 0; index < 2000; index += 1) {
    conversations.came(blocks(system + words(`${index}`, 3000)), index === 0 ? 0 : 8192, 100);
  }
  expect(conversations.followingMs()).toBeLessThan(1);
});

test("one prompt goes on from an earlier one, not all that begin with it", () => {
  const conversations = createConversations();
  const opening = blocks(words("opening", 4096));
  for (let index = 0; index < 2000; index += 1) {
    if (index === 0) conversations.came(opening, 0, 100);
    const prompt = blocks(words("opening", 4096) + words(`${index}`, 3000));
    conversations.came(prompt, endOf(opening), 100);
  }
  expect(conversations.followingMs()).toBeLessThan(1);
});

test("a prompt that is sent again opens a conversation, as does one without a whole block", () => {
  const conversations = createConversations();
  const prompt = blocks(words("same", 4096));
  for (let index = 0; index < 2000; index += 1) {
    conversations.came(prompt, endOf(prompt), 100);
    conversations.came(blocks("x"), 0, 100);
  }
  expect(conversations.followingMs()).toBeLessThan(1);
});

test("before the first nothing is known, and after it a few like it are presumed", () => {
  const conversations = createConversations();
  expect(conversations.followingMs()).toBe(0);
  conversations.came(blocks(words("first", 1000)), 0, 100);
  expect(conversations.followingMs()).toBeWithin(100, 300);
});

test("the answer that a prompt goes on from is known, until another prompt ends alike", () => {
  const conversations = createConversations();
  const asked = blocks(words("asked", 2000));
  const next = blocks(words("asked", 2000) + words("next", 3000));
  conversations.came(asked, 0, 100);
  expect(conversations.answerBefore(next, endOf(asked))).toBe(0);
  conversations.answered(asked, 250);
  expect(conversations.answerBefore(next, endOf(asked))).toBe(250);
  expect(conversations.answerBefore(next, 0)).toBe(0);
  expect(conversations.answerBefore(asked, endOf(asked))).toBe(0);
  conversations.came(next, endOf(asked), 100);
  expect(conversations.answerBefore(next, endOf(asked))).toBe(0);
  conversations.came(asked, endOf(asked), 100);
  expect(conversations.answerBefore(next, endOf(asked))).toBe(0);
});
