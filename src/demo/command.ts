import { aborted } from "../core/aborted.ts";
import type { Clock } from "../core/clock.ts";
import type { EngineFetch } from "../core/engine-fetch.ts";
import type { EngineSend } from "../core/engine-send.ts";
import type { EngineReach } from "../core/engine-reach.ts";
import { createLog, type WriteLine } from "../core/log.ts";
import { onOff } from "../config/schemas.ts";
import type { OptionTable, OptionValues } from "../core/option.ts";
import { mockEngineOptions } from "../mock-engine/options.ts";
import { type Ask, type Outcome, type Watchers, createAsk } from "./ask.ts";
import { startFleet } from "./fleet.ts";
import { createReport, type Report } from "./report.ts";
import { requestsAtOnce, requestsInTurn } from "./requests.ts";
import { createStyle } from "./style.ts";
import { restartCommand, tryIt } from "./try-it.ts";

/** The options of `vllm-router demo`. */
export const demoOptions = {
  serve: {
    group: "Demo",
    help: "Keep the engines and the router running until a signal.",
    schema: onOff,
    default: "false",
  },
  disaggregated: {
    group: "Demo",
    help: "Have each request divided: one engine computes the prompt, another answers.",
    schema: onOff,
    default: "false",
  },
  port: {
    ...mockEngineOptions.port,
    group: "Demo",
    help: "Port of the router; 0 takes a free one.",
    default: "0",
  },
  timeScale: { ...mockEngineOptions.timeScale, group: "Demo" },
} as const satisfies OptionTable;

/** What the command is lent. */
export interface DemoDeps {
  readonly clock: Clock;
  readonly fetch: EngineFetch;
  readonly send: EngineSend;
  readonly reach: EngineReach;
  readonly random: () => number;
  readonly write: WriteLine;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Width of the terminal. */
  readonly columns: () => number;
  /** Whether standard output is a terminal. */
  readonly isTerminal: (stream: "stdout" | "stderr") => boolean;
  /** Ends the demo when it aborts. */
  readonly stop: AbortSignal;
  /** Cuts what is still under way then. */
  readonly stopNow: AbortSignal;
}

const askAll = async (ask: Ask, report: Report): Promise<readonly Outcome[]> => {
  const outcomes: Outcome[] = [];
  report.heading("One after the other, as the tokens come");
  for (const request of requestsInTurn) {
    const progress = report.live(request);
    outcomes.push(await ask(request, progress));
    progress.end();
  }
  report.heading(`${requestsAtOnce.length} at once`);
  const together = await askTogether(ask, report);
  for (const outcome of together) {
    const { routed, text, end } = report.live(outcome.request);
    routed(outcome);
    text(outcome.answer.text);
    end();
  }
  return [...outcomes, ...together];
};

const askTogether = async (ask: Ask, report: Report): Promise<readonly Outcome[]> => {
  using lanes = report.together(requestsAtOnce);
  return await Promise.all(requestsAtOnce.map(async (request) => ask(request, lanes.progressOf(request))));
};

/**
 * `vllm-router demo`: simulated engines, a router before them, a handful of requests, and what became of them.
 * Resolves to the exit code: 1 when it was ended before it was over; rejects when it cannot listen or a request fails.
 */
export const runDemo = async (
  { serve, disaggregated, port, timeScale }: OptionValues<typeof demoOptions>,
  { clock, fetch, send, reach, random, write, env, columns, isTerminal, stop, stopNow }: DemoDeps,
): Promise<number> => {
  const log = createLog({ level: "warning", format: "text" }, { clock, write });
  const print = (text: string): void => write("stdout", text);
  const style = createStyle({ isTerminal: isTerminal("stdout"), env });
  const report = createReport({ style, columns: columns(), write: print });
  const watchers: Watchers = new Map();

  await using fleet = await startFleet(
    { port, timeScale, isDivided: disaggregated },
    {
      clock,
      fetch,
      send,
      reach,
      random,
      log,
      onRouted: (routed) => watchers.get(routed.requestId)?.(routed),
    },
  );
  report.opening(fleet);
  try {
    report.summary(await askAll(createAsk({ fleet, watchers, clock, fetch, signal: stop }), report));
  } catch (error) {
    if (!stop.aborted) throw error;
    print("\nEnded before it was over\n");
    return 1;
  }
  if (!serve) {
    report.blocks(
      tryIt({ url: fleet.url, restart: restartCommand(env, { port: fleet.port, isDivided: disaggregated }) }),
    );
    return 0;
  }
  report.blocks(tryIt({ url: fleet.url }));
  print("The router serves until Ctrl-C\n");
  await aborted(stop);
  await Promise.race([fleet.drain(), aborted(stopNow)]);
  return 0;
};
