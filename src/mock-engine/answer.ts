import { endOfText, tokenize } from "./tokens.ts";

/** What a request says of the answer's length. */
export interface AnswerLimits {
  /** The most tokens it may have; at least 1. */
  readonly maxTokens: number;
  readonly minTokens: number;
  readonly ignoreEos: boolean;
  readonly stop: readonly string[];
}

/** An answer, known whole before its first token is sent. */
export interface Answer {
  /** One text for each token, in order; the token that ends an answer by itself has the text "". */
  readonly pieces: readonly string[];
  readonly tokens: readonly number[];
  readonly finishReason: "stop" | "length";
  /** The stop string that ended it. */
  readonly stopReason: string | null;
}

// No word is longer than five letters: with its space it is one token.
const words = (
  "a able after again air all also and any are as at back bank be begin best big bird blue boat book both box " +
  "bread build by call came can care cat chair city clear cloud cold come cup dark day deep do door down draw " +
  "dream dry each early earth east easy end even every eye far farm fast few field find fire first fish floor " +
  "fly food for form found free fresh from full game gate give glass go gold good grass great green grow hand " +
  "hard hat he heat here high hill hold home horse hot house how idea in it its join just keep key kind king " +
  "knew know lake lamp land large last late lead leaf learn leave left less light like line list live long look " +
  "low made make many map mark may mind money moon more most move much music name near never new next night no " +
  "noise north note now of off often old on once one open or order other our out over page paint paper part " +
  "pass past path peace plain plan plant play point press quick quiet rain read ready red rest rich right ring " +
  "river road rock room round run sail salt same sand say sea seed seem send set shape ship shore show side " +
  "sign simple sky sleep slow small snow so some song soon sound south space speak stand star start stay step " +
  "still stone story such sun sure table take talk tall tea tell than that the them then there thin thing think " +
  "this time to too town trade train tree true turn two under until up use very voice wait walk wall warm watch " +
  "water wave way we well west what wheel when where white who why wide wild wind with wood word work world " +
  "write year yes yet you young"
)
  .split(" ")
  .filter((word) => word.length <= 5);

interface Piece {
  readonly text: string;
  readonly token: number;
}

const pieceOf = (text: string): Piece => ({ text, token: tokenize(text)[0] ?? endOfText });
const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

const inner = words.map((word) => pieceOf(` ${word}`));
const opening = words.map((word) => pieceOf(capital(word)));
const leading = words.map((word) => pieceOf(` ${capital(word)}`));
const period = pieceOf(".");
const end: Piece = { text: "", token: endOfText };

/** A small deterministic generator: numbers from 0 up to `below`, the same for the same seed. */
const numbersFrom = (seed: number): ((below: number) => number) => {
  let state = (seed ^ (seed / 2 ** 32)) | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
};

/** The stop string that is complete first, looking from `offset` on; `undefined` where none occurs. */
const findStop = (
  text: string,
  offset: number,
  stop: readonly string[],
): { start: number; word: string } | undefined => {
  let found: { start: number; word: string } | undefined;
  for (const word of stop) {
    const start = word === "" ? -1 : text.indexOf(word, offset);
    if (start >= 0 && (!found || start + word.length < found.start + found.word.length))
      found = { start, word };
  }
  return found;
};

/**
 * Simple English words, the same for the same `seed`, ending by themselves after about `typicalTokens` tokens
 * (half to one and a half times as many) unless the limits say otherwise.
 */
export const writeAnswer = (seed: number, typicalTokens: number, limits: AnswerLimits): Answer => {
  const next = numbersFrom(seed);
  const natural = Math.max(1, Math.round(typicalTokens / 2) + next(typicalTokens + 1), limits.minTokens);
  const endsByItself = !limits.ignoreEos && natural <= limits.maxTokens;
  const count = limits.ignoreEos ? limits.maxTokens : Math.min(natural, limits.maxTokens);

  const pieces: string[] = [];
  const tokens: number[] = [];
  let left = 4 + next(8);
  let opens: readonly Piece[] | undefined = opening;
  for (let index = 0; index < count; index += 1) {
    let piece = endsByItself && index === count - 1 ? end : period;
    if (piece !== end && left > 0) {
      const from: readonly Piece[] = opens ?? inner;
      piece = from[next(from.length)] ?? period;
      opens = undefined;
      left -= 1;
    } else {
      left = 4 + next(8);
      opens = leading;
    }
    pieces.push(piece.text);
    tokens.push(piece.token);
  }
  return cutAtStop(
    { pieces, tokens, finishReason: endsByItself ? "stop" : "length", stopReason: null },
    limits,
  );
};

/** Ends the answer with the token that completes a stop string; the string itself is not part of the text. */
const cutAtStop = (answer: Answer, limits: AnswerLimits): Answer => {
  if (limits.stop.length === 0) return answer;
  const spared = answer.pieces.slice(0, limits.minTokens).join("").length;
  const found = findStop(answer.pieces.join(""), spared, limits.stop);
  if (!found) return answer;
  const pieces: string[] = [];
  let length = 0;
  for (const piece of answer.pieces) {
    pieces.push(piece.slice(0, Math.max(0, found.start - length)));
    length += piece.length;
    if (length >= found.start + found.word.length) break;
  }
  return {
    pieces,
    tokens: answer.tokens.slice(0, pieces.length),
    finishReason: "stop",
    stopReason: found.word,
  };
};
