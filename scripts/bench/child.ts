import { open, readFile } from "node:fs/promises";

/** A server that is a process of its own; disposing it ends the process. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
}

/** How a server is started. */
export interface ChildOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd: string;
  /** Gets everything that it prints. */
  readonly outputFile: string;
  /** Ports of 127.0.0.1 that accept connections once it is ready. */
  readonly ports: readonly number[];
  /** How often they are tried. */
  readonly pollMs?: number | undefined;
}

const READY_MS = 20_000;
const POLL_MS = 20;
const STOP_MS = 3000;
const MAX_OUTPUT = 2000;

/** Nothing of the caller's environment that could configure a contender. */
const cleanEnvironment = (): Record<string, string> => {
  const names = ["PATH", "HOME", "TMPDIR", "LANG"];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
};

const accepts = async (port: number): Promise<boolean> => {
  try {
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { data: () => {}, error: () => {} },
    });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
};

/** Starts a server and waits until it listens. Throws with what it printed when it does not come to that. */
export const startChild = async (options: ChildOptions): Promise<Child> => {
  const { name, command, env, cwd, outputFile, ports, pollMs = POLL_MS } = options;
  // A file and not a pipe: nobody has to read along, and what a contender logs costs it a real write.
  const output = await open(outputFile, "w");
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    stdio: ["ignore", output.fd, output.fd],
  });
  await output.close();

  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await child.exited;
    clearTimeout(timer);
  };

  const waiting = [...ports];
  for (const deadline = performance.now() + READY_MS; waiting[0] !== undefined;) {
    if (await accepts(waiting[0])) {
      waiting.shift();
      continue;
    }
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || performance.now() > deadline) {
      await stop();
      const printed = (await readFile(outputFile, "utf8")).slice(-MAX_OUTPUT);
      throw new Error(`${name} ${hasEnded ? "ended" : "does not listen"}: ${command.join(" ")}\n${printed}`);
    }
    await Bun.sleep(pollMs);
  }
  return { pid: child.pid, [Symbol.asyncDispose]: stop };
};

/** Ports that were free a moment ago, all different. */
export const freePorts = (count: number): readonly number[] => {
  const listeners = Array.from({ length: count }, () =>
    Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } }),
  );
  const ports = listeners.map(({ port }) => port);
  for (const listener of listeners) listener.stop(true);
  return ports;
};

/** Runs a command to its end and gives what it printed to stdout. Throws with all output when it fails. */
export const outputOf = async (command: readonly string[]): Promise<string> => {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: exit status ${exitCode}\n${stdout}${stderr}`);
  return stdout;
};
