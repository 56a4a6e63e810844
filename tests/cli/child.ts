import { routerCommand } from "../support/binary.ts";

/** The product in a process of its own. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly exited: Promise<number>;
  /** Resolves with everything written so far when it matches; rejects when the process ends before. */
  readonly until: (pattern: RegExp) => Promise<string>;
  /** Everything written to a stream, once the process has ended. */
  readonly text: (stream: "stdout" | "stderr") => Promise<string>;
}

interface Stream {
  readonly text: () => string;
  readonly ended: Promise<void>;
}

const collect = (stream: ReadableStream<Uint8Array>, changed: () => void): Stream => {
  let text = "";
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      text += decoder.decode(chunk, { stream: true });
      changed();
    }
  };
  return { text: () => text, ended: read() };
};

type Environment = Readonly<Record<string, string>>;

/** Starts it with arguments and variables, and with none of our own that would change it. */
export const startChild = (
  args: readonly string[],
  variables: Environment = {},
  command: readonly string[] = routerCommand,
): Child => {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VLLM_|BUN_)/.test(name));
  const child = Bun.spawn([...command, ...args], {
    env: { ...Object.fromEntries(inherited), ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let waiting: (() => void)[] = [];
  const changed = (): void => {
    for (const wake of waiting) wake();
    waiting = [];
  };
  const stdout = collect(child.stdout, changed);
  const stderr = collect(child.stderr, changed);
  const all = (): string => stdout.text() + stderr.text();
  const ended = Promise.all([child.exited, stdout.ended, stderr.ended]);
  return {
    pid: child.pid,
    kill: (signal) => child.kill(signal),
    exited: child.exited,
    until: async (pattern) => {
      while (!pattern.test(all())) {
        const { promise, resolve } = Promise.withResolvers<boolean>();
        waiting.push(() => resolve(true));
        if (await Promise.race([promise, ended.then(() => false)])) continue;
        if (!pattern.test(all())) throw new Error(`it ended without ${String(pattern)}:\n${all()}`);
      }
      return all();
    },
    text: async (name) => {
      await ended;
      return (name === "stdout" ? stdout : stderr).text();
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
};

/** The outcome of a command that ends by itself. */
export const runChild = async (args: readonly string[], variables: Environment = {}) => {
  await using child = startChild(args, variables);
  const [exitCode, stdout, stderr] = await Promise.all([
    child.exited,
    child.text("stdout"),
    child.text("stderr"),
  ]);
  return { exitCode, stdout, stderr };
};
