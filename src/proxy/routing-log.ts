import type { RequestOutcome } from "../core/request-stats.ts";

/** What the routing log line tells. */
export interface RoutingLine {
  readonly requestId: string;
  readonly sessionId?: string | undefined;
  /** Base URL of the engine. */
  readonly url: string;
  readonly epochMs: number;
  /** Milliseconds since the request came. */
  readonly elapsedMs: number;
}

/** Longest session id in the line. */
const MAX_SESSION_ID = 256;

// The line is split at spaces by those who parse it.
const asOneWord = (text: string): string =>
  text === ""
    ? '""'
    : text.slice(0, MAX_SESSION_ID).replace(/[\s\p{Cc}]/gu, (character) => encodeURIComponent(character));

/** To ten thousandths, written by hand: every request has such a line, and toFixed takes a third of its time. */
const secondsOf = (ms: number): string => {
  const units = Math.round(ms * 10);
  return `${Math.floor(units / 10_000)}.${String(units % 10_000).padStart(4, "0")}`;
};

const timing = ({ epochMs, elapsedMs }: RoutingLine): string =>
  `at ${epochMs / 1000}, process time = ${secondsOf(elapsedMs)}`;

/** The reference's line for a routed request, to the letter: other software parses it. */
export const routingLine = (line: RoutingLine): string =>
  `Routing request ${line.requestId} with session id ${line.sessionId === undefined ? "None" : asOneWord(line.sessionId)} to ${line.url} ${timing(line)}`;

/** The reference's line for sleep, wake and is-sleeping calls, which have no session. */
export const controlLine = (line: RoutingLine): string =>
  `Routing request ${line.requestId} to ${line.url} ${timing(line)}`;

/** How far a request had come on an engine when it ended there. */
export type EndPhase = "before its answer" | "in the middle of its answer" | "with its whole answer";

/** How a request ended on an engine. */
export interface EndLine extends Pick<RoutingLine, "requestId" | "url" | "elapsedMs"> {
  readonly outcome: RequestOutcome;
  readonly phase: EndPhase;
}

/** The line for the end of a request on an engine: who ended it, and in which phase. */
export const endLine = ({ requestId, url, outcome, phase, elapsedMs }: EndLine): string => {
  const who = outcome === "client_closed" ? "client" : "engine";
  return `Request ${requestId} was ended by its ${who} ${phase}: ${outcome} on ${url} after ${secondsOf(elapsedMs)} s`;
};
