import type { Subprocess } from "bun";

/** A router in a process of its own, or below a launcher. */
export interface ServingProcess extends AsyncDisposable {
  readonly url: string;
  /** The first process, which may be a launcher. */
  readonly process: Subprocess;
  /** Resolves when something on standard output, from the start on, matches; rejects when nothing can any more. */
  readonly printed: (pattern: RegExp) => Promise<RegExpMatchArray>;
  /** Everything on standard output, once it has ended: the router itself is gone then, not only its launcher. */
  readonly output: Promise<string>;
}

interface ServingOptions {
  readonly command: readonly string[];
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A free port, and one engine that nobody listens for. */
const serveAnywhere =
  "--host 127.0.0.1 --port 0 --drain-delay-seconds 0 --service-discovery static --static-backends http://127.0.0.1:9 --static-models m --routing-logic roundrobin".split(
    " ",
  );

/** Starts `command` with the arguments of a router on a free port; resolves when it says where it listens. */
export const startServing = async ({
  command,
  args = serveAnywhere,
  cwd,
  env = process.env,
}: ServingOptions): Promise<ServingProcess> => {
  const child = Bun.spawn([...command, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  const waiting = new Set<() => void>();
  const read = async (): Promise<string> => {
    const decoder = new TextDecoder();
    for await (const bytes of child.stdout) {
      text += decoder.decode(bytes, { stream: true });
      for (const look of waiting) look();
    }
    return text;
  };
  const output = read();
  const printed = async (pattern: RegExp): Promise<RegExpMatchArray> => {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpMatchArray>();
    const look = (): void => {
      const match = text.match(pattern);
      if (match !== null) resolve(match);
    };
    waiting.add(look);
    look();
    void output.then(() => reject(new Error(`${command.join(" ")} never printed ${pattern}: ${text}`)));
    try {
      return await promise;
    } finally {
      waiting.delete(look);
    }
  };
  const [, url = ""] = await printed(/ listens on (http:\/\/[^\s]+\d)/);
  return {
    url,
    process: child,
    printed,
    output,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
};
