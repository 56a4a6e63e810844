import type { SchedulerConfig } from "../mock-engine/scheduler.ts";

interface Speed {
  readonly prefill: number;
  readonly decode: number;
}

/** Engines by what they are made of, as factors of the time that a standard one takes. */
const kinds: Readonly<Record<string, Speed>> = {
  standard: { prefill: 1, decode: 1 },
  fast: { prefill: 0.5, decode: 0.6 },
  slow: { prefill: 2, decode: 1.6 },
};

/** The names of the kinds, for sentences. */
export const engineKinds = Object.keys(kinds).join(", ");

const MAX_ENGINES = 10_000;

/** A kind of engine by its name; `undefined` where there is none. */
export const engineOf = (kind: string, standard: SchedulerConfig): SchedulerConfig | undefined => {
  const speed = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  return (
    speed && {
      ...standard,
      prefillTokensPerSecond: standard.prefillTokensPerSecond / speed.prefill,
      decodeMs: standard.decodeMs * speed.decode,
      decodeMsPerSeq: standard.decodeMsPerSeq * speed.decode,
    }
  );
};

/** The kinds that `8` or `4xfast,4xslow` asks for, one for each engine; throws a sentence for what it cannot read. */
export const parseFleet = (text: string): readonly string[] => {
  const fleet = text.split(",").flatMap((part) => {
    const [matched, alone, count = alone ?? "1", kind = "standard"] =
      /^(?:(\d+)|(?:(\d+)x)?([a-z]+))$/.exec(part.trim()) ?? [];
    const engines = Number(count);
    if (matched === undefined || !Object.hasOwn(kinds, kind) || !(engines >= 1 && engines <= MAX_ENGINES)) {
      throw new RangeError(
        `${JSON.stringify(part)} is no number of engines; write 8, or 4xfast,4xslow of ${engineKinds}`,
      );
    }
    return Array.from({ length: engines }, () => kind);
  });
  if (fleet.length > MAX_ENGINES) throw new RangeError(`more than ${MAX_ENGINES} engines are not simulated`);
  return fleet;
};
