import type { Clock } from "../core/clock.ts";
import { ApiError, errorBody } from "./api-error.ts";
import { sendError, type Ending, type Reply } from "./reply.ts";

/** One way in which an answer goes wrong. */
export type Fault =
  | { readonly kind: "refuse" | "reset" | "hang" | "garbage" }
  | { readonly kind: "reset-after" | "truncate-after" | "stall-after"; readonly bytes: number }
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "slow"; readonly factor: number }
  | { readonly kind: "error-event"; readonly events: number };

/** The header that asks for a fault in the answer to its request. */
export const faultHeader = "x-mock-fault";

/** The faults and what each means, for help texts and error messages. */
export const faultForms = {
  refuse: "close the connection without an answer",
  reset: "reset the connection without an answer",
  hang: "never answer",
  garbage: "answer with bytes that are not HTTP, then close",
  "reset-after=BYTES": "reset the connection after so many bytes of the body",
  "truncate-after=BYTES": "close the connection in an orderly way after so many bytes of the body",
  "stall-after=BYTES": "fall silent after so many bytes of the body",
  "status=CODE": "answer with this status and an error object",
  "delay=MS": "hold the whole answer back by so many milliseconds",
  "slow=FACTOR": "let every byte take so many times as long since the request",
  "error-event=EVENTS": "after so many events of a stream, an error event in the 200 answer",
} as const;

const numberFor = (name: string, text: string | undefined, isValid: (value: number) => boolean): number => {
  const value = text === undefined || text === "" ? Number.NaN : Number(text);
  if (!isValid(value))
    throw new RangeError(`fault "${name}" needs a number: ${Object.keys(faultForms).join(", ")}`);
  return value;
};

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Reads a fault such as `reset-after=100`; throws a `RangeError` that lists the forms. */
export const parseFault = (text: string): Fault => {
  const [name = "", value] = text.trim().split("=", 2);
  switch (name) {
    case "refuse":
    case "reset":
    case "hang":
    case "garbage":
      return { kind: name };
    case "reset-after":
    case "truncate-after":
    case "stall-after":
      return { kind: name, bytes: numberFor(name, value, isCount) };
    case "status":
      return {
        kind: name,
        status: numberFor(name, value, (code) => Number.isInteger(code) && code >= 200 && code <= 999),
      };
    case "delay":
      return { kind: name, ms: numberFor(name, value, isCount) };
    case "slow":
      return { kind: name, factor: numberFor(name, value, (factor) => factor >= 1) };
    case "error-event":
      return { kind: name, events: numberFor(name, value, isCount) };
    default:
      throw new RangeError(`unknown fault "${name}": ${Object.keys(faultForms).join(", ")}`);
  }
};

/** Sends `bytes` of the body and then ends in the given way; the head promises the whole. */
const cutAfter = (reply: Reply, bytes: number, ending: Ending | "stall"): Reply => {
  let left = bytes;
  let isCut = false;
  const cut = (): void => {
    if (isCut) return;
    isCut = true;
    if (ending !== "stall") reply.abort(ending);
  };
  return {
    ...reply,
    write: (data) => {
      if (isCut) return;
      const whole = typeof data === "string" ? Buffer.from(data) : data;
      if (left > 0) reply.write(whole.length <= left ? whole : whole.subarray(0, left));
      left -= whole.length;
      if (left <= 0) cut();
    },
    end: cut,
  };
};

/** Lets each part of the answer leave as much later as `lag` says for its age in milliseconds. */
const delayed = (reply: Reply, clock: Clock, lag: (ageMs: number) => number): Reply => {
  const begin = clock.monotonic();
  const timers = new Set<Disposable>();
  const later = (task: () => void): void => {
    const timer = clock.after(lag(clock.monotonic() - begin), () => {
      timers.delete(timer);
      task();
    });
    timers.add(timer);
  };
  reply.onAbandoned(() => {
    for (const timer of timers) timer[Symbol.dispose]();
  });
  return {
    head: (status, head) => later(() => reply.head(status, head)),
    write: (data) => later(() => reply.write(data)),
    end: () => later(reply.end),
    abort: (ending, raw) => later(() => reply.abort(ending, raw)),
    onAbandoned: reply.onAbandoned,
  };
};

/** After `events` events: vLLM's error event and `[DONE]`; an answer that is no stream becomes a plain 500. */
const withErrorEvent = (reply: Reply, events: number): Reply => {
  const error = new ApiError(
    500,
    "EngineCore encountered an issue. See stack trace (above) for the root cause.",
  );
  let left = events;
  let isOver = false;
  const tasks: (() => void)[] = [];
  const fail = (): void => {
    isOver = true;
    for (const task of tasks) task();
    reply.write(`data: ${JSON.stringify(errorBody(error))}\n\ndata: [DONE]\n\n`);
    reply.end();
  };
  return {
    ...reply,
    head: (status, head) => {
      if (head.length === undefined) return reply.head(status, head);
      isOver = true;
      sendError(reply, error);
    },
    write: (data) => {
      if (isOver) return;
      if (left === 0) return fail();
      left -= 1;
      reply.write(data);
    },
    end: () => {
      if (!isOver) fail();
    },
    onAbandoned: (task) => {
      tasks.push(task);
      reply.onAbandoned(task);
    },
  };
};

/** Answers a request with a fault: `next` writes the answer where there is one. */
export const answerWithFault = (
  fault: Fault,
  reply: Reply,
  clock: Clock,
  next: (reply: Reply) => void,
): void => {
  switch (fault.kind) {
    case "refuse":
      return reply.abort("fin");
    case "reset":
      return reply.abort("reset");
    case "hang":
      return undefined;
    case "garbage":
      return reply.abort("fin", "\u0000\u0001 this is not HTTP \u00ff\r\n\r\n");
    case "status":
      return sendError(reply, new ApiError(fault.status, `Simulated fault: status ${fault.status}`));
    case "reset-after":
      return next(cutAfter(reply, fault.bytes, "reset"));
    case "truncate-after":
      return next(cutAfter(reply, fault.bytes, "fin"));
    case "stall-after":
      return next(cutAfter(reply, fault.bytes, "stall"));
    case "delay":
      return next(delayed(reply, clock, () => fault.ms));
    case "slow":
      return next(delayed(reply, clock, (ageMs) => ageMs * (fault.factor - 1)));
    case "error-event":
      return next(withErrorEvent(reply, fault.events));
    default:
      return fault satisfies never;
  }
};
