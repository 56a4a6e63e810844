import type { Ending } from "../core/ending.ts";
import type { Place } from "../admission/engine-room.ts";
import type { Clock } from "../core/clock.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { describeError, isEngineFailure, RouterError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type RequestOutcome, watchBoth } from "../core/request-stats.ts";
import type { Trial } from "../health/trials.ts";
import { verdictOf } from "../health/verdict.ts";
import type { RequestSeries, RouterMetrics } from "../metrics/router-metrics.ts";
import type { SinglePlan } from "../routing/policy.ts";
import type { RequestLedger, Ticket } from "../stats/request-ledger.ts";
import type { Call } from "./call.ts";
import type { Client } from "./client.ts";
import type { Deadlines, Progress } from "./deadlines.ts";
import { type Answer, isEventStream } from "../core/answer.ts";
import { type EndPhase, endLine } from "./routing-log.ts";

/** Whom an attempt asks, and for whom. */
export interface AttemptOn {
  readonly call: Call;
  readonly client: Client;
  /** The model that is served, an alias resolved. */
  readonly model: string;
  readonly endpoint: Endpoint;
  /** By which the engine was chosen. */
  readonly plan: SinglePlan;
  /** Told what the attempt says of the engine. */
  readonly trial: Trial;
  /** Its place on the engine, given back at its end; absent where every engine has room for all. */
  readonly place?: Place | undefined;
  /** The engine was asked for a usage event that the client must not see. */
  readonly hidesUsage: boolean;
}

/** One attempt to have a request answered: begun when it is made, and to be ended in one of three ways: the first counts. */
export interface Attempt extends AttemptOn {
  readonly ticket: Ticket;
  readonly series: RequestSeries;
  /** Aborted when the client has left, or with the RouterError for which the attempt is interrupted. */
  readonly signal: Ending;
  readonly progress: Progress;
  /** The first bytes of the answer are there. */
  readonly begun: (answer: Answer) => void;
  /** The answer came whole; by its status, or that of the error in its last event, the engine did, refused or failed. */
  readonly answered: (status: number) => void;
  /** The answer broke off. */
  readonly brokeOff: (outcome: "failed" | "client_closed") => void;
  /** No answer came. */
  readonly failed: (error: unknown) => void;
}

interface AttemptDeps {
  readonly requests: RequestLedger;
  readonly metrics: RouterMetrics;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly log: Log;
}

const outcomeOf = (status: number): RequestOutcome =>
  status >= 500 ? "failed" : status >= 400 ? "refused" : "done";

/** Keeps the accounts of attempts: the load of engines, metrics, the line for the end, the client's silence. */
export const createAttempts = ({ requests, metrics, deadlines, clock, log }: AttemptDeps) => {
  const logsEnds = log.isEnabled("debug");

  return (on: AttemptOn): Attempt => {
    const { call, client, model, endpoint, plan, trial, hidesUsage, place } = on;
    const series = metrics.seriesOf(endpoint.url, model);
    series.routed(plan.rule);
    const traced = client.trace?.attempt(endpoint.id, model);
    const watcher = traced && plan.watcher ? watchBoth(traced, plan.watcher) : (traced ?? plan.watcher);
    const ticket = requests.begin(endpoint.id, series, watcher);
    client.allowSilence();
    const { signal } = client;
    const progress = deadlines.begin({ call, client, endpoint, model, ticket });

    let isOver = false;
    const end = (outcome: RequestOutcome, phase: EndPhase): void => {
      if (isOver) return;
      isOver = true;
      deadlines.end(progress);
      ticket.end(outcome);
      place?.leave();
      client.limitSilence();
      const elapsedMs = clock.monotonic() - client.arrivedAt;
      if (outcome === "done") metrics.answered(model, elapsedMs);
      if (logsEnds) log.debug(endLine({ requestId: call.id, url: endpoint.url, outcome, phase, elapsedMs }));
    };

    return {
      call,
      client,
      model,
      endpoint,
      plan,
      trial,
      hidesUsage,
      place,
      ticket,
      series,
      signal,
      progress,
      begun: ({ status, headers, first }) => {
        ticket.firstByte(isEventStream(headers));
        // What is not sent for its result may well have none.
        const isEmpty = call.isReplaySafe && !first?.length;
        const verdict = verdictOf({ status, headers, isEmpty });
        if (verdict === "answered") trial.answered();
        else trial.end(verdict);
      },
      answered: (status) => {
        const isFailure = status >= 500;
        trial.end(isFailure ? { reason: `its answer ended with ${status}`, isUnreachable: false } : "ended");
        end(outcomeOf(status), "with its whole answer");
      },
      brokeOff: (outcome) => {
        trial.end(outcome === "failed" ? { reason: "it broke off", isUnreachable: false } : "left");
        end(outcome, "in the middle of its answer");
        if (outcome === "failed") series.failed("upstream_reset", "while");
      },
      failed: (error) => {
        // An end that is not the engine's says nothing of it.
        const isOurs = error instanceof RouterError && !isEngineFailure(error);
        const isUnreachable = isEngineFailure(error) && error.code === "upstream_unreachable";
        trial.end(isOurs ? "left" : { reason: describeError(error), isUnreachable });
        end(isOurs ? "client_closed" : "failed", "before its answer");
        if (isEngineFailure(error)) series.failed(error.code, "before");
      },
    };
  };
};
