/** Another thread of this process, which runs the same program. */
export interface Thread {
  readonly post: (message: unknown) => void;
  /** Ends it wherever it is, with its listeners and connections. */
  readonly terminate: () => Promise<void>;
}

interface ThreadDeps {
  readonly onMessage: (message: unknown) => void;
  /** Told once when it has ended, by itself or not; the reason is half a sentence. */
  readonly onEnd: (reason: string) => void;
}

/** Starts a thread that is given `setup`; messages are copied, memory that is shared is not. */
export type StartThread = (setup: unknown, deps: ThreadDeps) => Thread;

/** What a thread sees of the one that started it. */
export interface ThreadDoor {
  readonly setup: unknown;
  readonly post: (message: unknown) => void;
  readonly listen: (onMessage: (message: unknown) => void) => void;
}
