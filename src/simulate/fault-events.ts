import { engineKinds, engineOf } from "./engine-kinds.ts";
import type { SchedulerConfig } from "../mock-engine/scheduler.ts";

/** Something that befalls a fleet at a time; engines are counted from 0. */
export type FaultEvent =
  | { readonly kind: "die" | "return"; readonly engine: number; readonly atMs: number }
  | { readonly kind: "slow"; readonly engine: number; readonly atMs: number; readonly factor: number }
  | { readonly kind: "join"; readonly config: SchedulerConfig; readonly atMs: number };

/** The faults and what each means, for help texts and error messages. */
export const faultForms = {
  "die:ENGINE@SECOND": "loses its requests and its cache",
  "die:ENGINE@FROM-TO": "and comes back, cold",
  "slow:ENGINE@FROM-TOxFACTOR": "takes so many times as long",
  "join:KIND@SECOND": "one more engine",
} as const;

const FORM = /^(die|slow|join):(\w+)@(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?(?:x(\d+(?:\.\d+)?))?$/;

const parseOne = (text: string, engines: number, standard: SchedulerConfig): readonly FaultEvent[] => {
  const refuse = (why: string): never => {
    throw new RangeError(`${JSON.stringify(text)} ${why}`);
  };
  const match = FORM.exec(text.trim()) ?? refuse(`is not one of ${Object.keys(faultForms).join(", ")}`);
  const [, kind, who = "", from = "", to, times] = match;
  const atMs = 1000 * Number(from);
  const endMs = to === undefined ? undefined : 1000 * Number(to);
  if (endMs !== undefined && endMs <= atMs) refuse("ends before it begins");
  if (kind === "join") {
    if (endMs !== undefined || times !== undefined) refuse("is written join:KIND@SECOND");
    const config = engineOf(who, standard) ?? refuse(`names no kind of engine; there are ${engineKinds}`);
    return [{ kind: "join", config, atMs }];
  }
  const engine = Number(who) - 1;
  if (!(engine >= 0 && engine < engines)) refuse(`names no engine; they are counted from 1 to ${engines}`);
  if (kind === "die") {
    if (times !== undefined) refuse("is written die:ENGINE@SECOND or die:ENGINE@FROM-TO");
    const back = endMs === undefined ? [] : [{ kind: "return", engine, atMs: endMs } as const];
    return [{ kind: "die", engine, atMs }, ...back];
  }
  const factor = Number(times ?? Number.NaN);
  if (endMs === undefined || !(factor > 0)) return refuse("is written slow:ENGINE@FROM-TOxFACTOR");
  return [
    { kind: "slow", engine, atMs, factor },
    { kind: "slow", engine, atMs: endMs, factor: 1 },
  ];
};

/** Reads faults separated by commas; throws a sentence that names the one which is wrong. */
export const parseFaults = (
  text: string,
  engines: number,
  standard: SchedulerConfig,
): readonly FaultEvent[] =>
  text
    .split(",")
    .filter((part) => part.trim() !== "")
    .flatMap((part) => parseOne(part, engines, standard));
