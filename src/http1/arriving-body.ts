import type { AnswerBody, BodySink, Bytes } from "../core/answer.ts";

/** The end of a body that is filled as it comes. */
export interface ArrivingBody {
  readonly body: AnswerBody;
  readonly add: (piece: Bytes) => void;
  readonly end: () => void;
  /** No more will come; what has come is handed over before. */
  readonly fail: (error: Error) => void;
  /** Nothing more is to be handed over. */
  readonly cut: (error: Error) => void;
}

interface Flow {
  /** Stops and goes on with what comes. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Nobody wants the rest. */
  readonly cancel: () => void;
}

type Read = Awaited<ReturnType<AnswerBody["read"]>>;

/** So much may wait for its reader. */
const MOST_WAITING = 64 * 1024;

/** Creates a body whose pieces come as they will, and which has them wait when nobody takes them. */
export const createArrivingBody = ({ pause, resume, cancel }: Flow): ArrivingBody => {
  let waiting: Bytes[] = [];
  let waitingBytes = 0;
  let sink: BodySink | undefined;
  let reader: PromiseWithResolvers<Read> | undefined;
  let isEnded = false;
  let failure: Error | undefined;
  /** The sink takes nothing now. */
  let isHeld = false;
  let isPaused = false;

  /** What is to be told when all has been taken. */
  const conclude = (): void => {
    if (!sink || isHeld || waiting.length > 0) return;
    const { ended, failed } = sink;
    if (!failure && !isEnded) return;
    sink = undefined;
    if (failure) failed(failure);
    else ended();
  };

  const hand = (to: BodySink, piece: Bytes): void => {
    const taken = to.take(piece);
    if (!taken) return;
    isHeld = true;
    setPaused(true);
    void taken.then(() => {
      isHeld = false;
      drain();
    });
  };

  const setPaused = (value: boolean): void => {
    if (isPaused === value || isEnded || failure) return;
    isPaused = value;
    if (value) pause();
    else resume();
  };

  /** Hands over what waits, as long as it is taken. */
  const drain = (): void => {
    const piece = sink && !isHeld ? waiting.shift() : undefined;
    if (sink && piece) {
      hand(sink, piece);
      drain();
    } else if (sink && !isHeld) {
      waitingBytes = 0;
      setPaused(false);
      conclude();
    }
  };

  const next = (): Read | undefined => {
    const value = waiting.shift();
    if (value) {
      waitingBytes -= value.length;
      if (waitingBytes <= MOST_WAITING) setPaused(false);
      return { done: false, value };
    }
    if (failure) throw failure;
    return isEnded ? { done: true } : undefined;
  };

  /** Gives what a read waits for. */
  const serve = (): void => {
    if (!reader) return;
    const { resolve, reject } = reader;
    try {
      const read = next();
      if (!read) return;
      reader = undefined;
      resolve(read);
    } catch (error) {
      reader = undefined;
      reject(error);
    }
  };

  const fail = (error: Error): void => {
    failure = error;
    serve();
    conclude();
  };

  return {
    add: (piece) => {
      if (sink && !isHeld) return hand(sink, piece);
      waiting.push(piece);
      waitingBytes += piece.length;
      if (waitingBytes > MOST_WAITING) setPaused(true);
      serve();
    },
    end: () => {
      isEnded = true;
      serve();
      conclude();
    },
    fail,
    cut: (error) => {
      waiting = [];
      isHeld = false;
      fail(error);
    },
    body: {
      read: async () => {
        const read = next();
        if (read) return read;
        reader = Promise.withResolvers<Read>();
        return reader.promise;
      },
      flow: (to) => {
        sink = to;
        drain();
      },
      cancel: () => {
        sink = undefined;
        waiting = [];
        // When all has come, its connection may be another request's.
        if (!isEnded && !failure) cancel();
      },
    },
  };
};
