import type { Chat, Message } from "./chat.ts";
import { alias, sessionHeader, sharedModel } from "./fleet.ts";

/** A chat request of the demo. */
export interface DemoRequest {
  /** From 1; the place in `demoRequests`. */
  readonly number: number;
  /** Sent as the session id; without one any engine of the model will do. */
  readonly user?: string;
  /** The model as the client names it. */
  readonly model: string;
  readonly prompt: string;
  /** Number of the request whose conversation this one goes on with. */
  readonly continues?: number;
}

/** Long enough that computing it shows in the time to the first token, and finding it in a cache does too. */
const SYSTEM_PROMPT = `You are the assistant of a small travel agency by the sea. You answer in plain words
and in at most one paragraph. You know the harbour, the ferries and their timetables, the walks along the cliffs,
and the inns that take guests in winter. You never promise a price or a free room: you say who can be asked, and
when they can be reached. When a question is about another town you say so, and name the office there. You do not
speak about politics, about other agencies, or about how you were made. When somebody is in danger at sea you give
the number of the coast guard first, and everything else after it.`;

/** The requests that are sent one after the other, so that their tokens can be read as they come. */
export const requestsInTurn: readonly DemoRequest[] = [
  { number: 1, user: "alice", model: sharedModel, prompt: "What can I do on a rainy day?" },
  { number: 2, user: "alice", model: sharedModel, prompt: "And if it clears up?", continues: 1 },
  { number: 3, user: "bob", model: alias.name, prompt: "How do I get to the island?" },
];

/** The requests that are sent all at once. */
export const requestsAtOnce: readonly DemoRequest[] = [
  { number: 4, user: "carol", model: sharedModel, prompt: "Where can we have dinner?" },
  { number: 5, model: sharedModel, prompt: "Which walk is the shortest?" },
  { number: 6, model: sharedModel, prompt: "Is there a boat at night?" },
];

/** Who asks, for people to read. */
export const askerOf = ({ user }: DemoRequest): string => user ?? "no session";

const conversationOf = (
  { prompt, continues }: DemoRequest,
  answers: ReadonlyMap<number, string>,
): readonly Message[] => {
  const question: Message = { role: "user", content: prompt };
  const earlier = requestsInTurn.find(({ number }) => number === continues);
  if (!earlier) return [{ role: "system", content: SYSTEM_PROMPT }, question];
  const answer: Message = { role: "assistant", content: answers.get(earlier.number) ?? "" };
  return [...conversationOf(earlier, answers), answer, question];
};

/** The request as its client sends it; `answers` holds the texts of those before it, by number. */
export const chatOf = (request: DemoRequest, answers: ReadonlyMap<number, string>): Chat => ({
  id: `demo-${request.number}`,
  model: request.model,
  messages: conversationOf(request, answers),
  ...(request.user === undefined ? {} : { headers: { [sessionHeader]: request.user } }),
});
