import { startChild } from "../cli/child.ts";
import { builtBinary } from "./binary.ts";
import type { RunningProcess } from "./processes.ts";

/** What becomes of packets to a host: nobody says a word, or somebody says that it or its port is not there. */
export type Disturbance =
  | "silence"
  | "host unreachable"
  | "port unreachable"
  | "reset"
  | "a third is lost"
  | "a megabit a second";

/** A host of its own on a line of its own: a network namespace, with nothing but that line to this one. */
export interface Host extends AsyncDisposable {
  /** Of the near end of the line. */
  readonly here: string;
  /** Starts the compiled product there, listening on every address; `url` names it as it is seen from here. */
  readonly start: (args: readonly string[]) => Promise<RunningProcess>;
  /** Starts a program there, whose standard output is read. */
  readonly run: (command: readonly string[]) => Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly disturb: (how: Disturbance) => void;
}

const RULES: Readonly<Record<Exclude<Disturbance, "a megabit a second">, string>> = {
  silence: "drop",
  "host unreachable": "reject with icmp type host-unreachable",
  "port unreachable": "reject with icmp type port-unreachable",
  reset: "meta l4proto tcp reject with tcp reset",
  "a third is lost": "numgen random mod 100 < 30 drop",
};

const run = (command: string, input = ""): void => {
  const { success, stderr } = Bun.spawnSync(command.split(" "), {
    stdin: Buffer.from(input),
    stderr: "pipe",
  });
  if (!success) throw new Error(`${command}: ${stderr.toString()}`);
};

const LISTENS = /listen(?:s|ing) on http:\/\/\S*:(\d+)/;

/** Makes a host; its addresses are some of those that are set aside for benchmarks (RFC 2544). */
export const startHost = async (): Promise<Host> => {
  const name = `vr${process.pid.toString(36)}${Math.floor(performance.now()).toString(36)}`;
  const net = `198.18.${process.pid % 256}`;
  const block = (Math.floor(performance.now()) % 63) * 4;
  const [here, there] = [`${net}.${block + 1}`, `${net}.${block + 2}`];
  run(`ip netns add ${name}`);
  run(`ip link add name ${name}a type veth peer name ${name}b netns ${name}`);
  run(`ip addr add ${here}/30 dev ${name}a`);
  run(`ip link set ${name}a up`);
  run(`ip -n ${name} addr add ${there}/30 dev ${name}b`);
  run(`ip -n ${name} link set ${name}b up`);
  run(`ip -n ${name} link set lo up`);
  const inside = ["ip", "netns", "exec", name];

  return {
    here,
    start: async (args) => {
      const child = startChild(args, {}, [...inside, await builtBinary()]);
      const [, port] = LISTENS.exec(await child.until(LISTENS)) ?? [];
      return {
        url: `http://${there}:${port}`,
        port: Number(port),
        child,
        [Symbol.asyncDispose]: child[Symbol.asyncDispose],
      };
    },
    run: (command) => Bun.spawn([...inside, ...command], { stdio: ["ignore", "pipe", "inherit"] }),
    disturb: (how) => {
      if (how === "a megabit a second") {
        for (const end of [`ip netns exec ${name} tc qdisc add dev ${name}b`, `tc qdisc add dev ${name}a`])
          run(`${end} root tbf rate 1mbit burst 10kb latency 400ms`);
        return;
      }
      const chain = (hook: string, device: string): string =>
        `chain ${hook} {\ntype filter hook ${hook} priority 0\n${device} "${name}b" ${RULES[how]}\n}\n`;
      const sent = how === "silence" ? chain("output", "oifname") : "";
      run(`${inside.join(" ")} nft -f -`, `table inet line {\n${chain("input", "iifname")}${sent}}\n`);
    },
    [Symbol.asyncDispose]: async () => {
      // The namespace itself stays while the kernel still sends what nobody takes.
      run(`ip link del ${name}a`);
      run(`ip netns del ${name}`);
    },
  };
};

/** Why there are no such hosts here; `undefined` where there are. */
export const whyNoHosts = async (): Promise<string | undefined> => {
  const missing = ["ip", "nft", "tc"].filter((tool) => Bun.which(tool) === null);
  if (missing.length > 0) return `${missing.join(", ")} is not installed`;
  try {
    await using host = await startHost();
    host.disturb("silence");
    return undefined;
  } catch (error) {
    return String(error);
  }
};
