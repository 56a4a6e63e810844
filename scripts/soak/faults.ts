import { type EngineProcess, startEngineProcess } from "../../tests/support/processes.ts";

/** Engines of which one at a time is in trouble. */
export interface TroubledEngines extends AsyncDisposable {
  readonly urls: readonly string[];
  /** Puts one engine in some trouble for a while and mends it; resolves to what the trouble was. */
  readonly trouble: () => Promise<string>;
}

const FAULTS = [
  "status=500",
  "status=503",
  "status=429",
  "reset",
  "refuse",
  "garbage",
  "hang",
  "delay=300",
  "slow=5",
  "reset-after=700",
  "truncate-after=700",
  "stall-after=700",
  "error-event=3",
] as const;

const TROUBLES = [...FAULTS, "killed", "killed", "killed", "frozen"] as const;
const LASTS_MS = 3000;

/** Starts so many engines of the model `m`. */
export const startTroubledEngines = async (count: number): Promise<TroubledEngines> => {
  const flags = [
    "--served-model-name=m",
    "--decode-ms=5",
    "--decode-ms-per-seq=0.05",
    "--max-num-seqs=1000",
    "--max-model-len=200000",
  ];
  const engines: EngineProcess[] = [];
  for (let nth = 0; nth < count; nth += 1) engines.push(await startEngineProcess(flags));

  const setFault = async ({ url }: EngineProcess, fault?: string): Promise<void> => {
    const headers = { "content-type": "application/json" };
    await fetch(`${url}/mock/fault`, { method: "POST", headers, body: JSON.stringify({ fault, every: 2 }) });
  };
  let turn = 0;
  return {
    urls: engines.map(({ url }) => url),
    trouble: async () => {
      const nth = (turn += 1) % count;
      const engine = engines[nth];
      const kind = TROUBLES[Math.floor(Math.random() * TROUBLES.length)] ?? "killed";
      if (!engine) throw new Error("there is no such engine");
      if (kind === "killed") {
        engine.child.kill("SIGKILL");
        await engine.child.exited;
        await Bun.sleep(LASTS_MS);
        engines[nth] = await startEngineProcess(flags, engine.port);
      } else if (kind === "frozen") {
        engine.child.kill("SIGSTOP");
        await Bun.sleep(LASTS_MS);
        engine.child.kill("SIGCONT");
      } else {
        await setFault(engine, kind);
        await Bun.sleep(LASTS_MS);
        await setFault(engine);
      }
      return kind;
    },
    [Symbol.asyncDispose]: async () => {
      for (const engine of engines) await engine[Symbol.asyncDispose]();
    },
  };
};
