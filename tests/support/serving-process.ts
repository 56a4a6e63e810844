import type { Subprocess } from "bun";

/** A router in a process of its own, or below a launcher. */
export interface ServingProcess extends AsyncDisposable {
  readonly url: string;
  /** The first process, which may be a launcher. */
  readonly process: Subprocess;
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
  "--host 127.0.0.1 --port 0 --service-discovery static --static-backends http://127.0.0.1:9 --static-models m --routing-logic roundrobin".split(
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
  const found = Promise.withResolvers<string>();
  const read = async (): Promise<string> => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const bytes of child.stdout) {
      text += decoder.decode(bytes, { stream: true });
      const url = text.match(/ listens on (http:\/\/\S+?):? /)?.[1];
      if (url !== undefined) found.resolve(url);
    }
    found.reject(new Error(`${command.join(" ")} ended before it listened: ${text}`));
    return text;
  };
  const output = read();
  return {
    url: await found.promise,
    process: child,
    output,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
};
