import { faultHeader, parseFault, type Fault } from "./faults.ts";
import { headerOf, type HttpRequest } from "./http-message.ts";

/** Which requests meet a fault that none of them asked for. */
export interface FaultRule {
  readonly fault: Fault;
  /** Every so many requests in scope; 1 means all. */
  readonly every: number;
  readonly scope: "inference" | "all";
}

/** Decides which request meets which fault. */
export interface FaultPlan {
  /** Replaces the rule and starts counting anew; `undefined` ends the faults. */
  readonly set: (rule: FaultRule | undefined) => void;
  /** The fault for a request, its own wish first; a wish that is no fault is the sentence that refuses it. */
  readonly choose: (request: HttpRequest) => Fault | string | undefined;
}

const readWish = (wish: string): Fault | string => {
  try {
    return parseFault(wish);
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
};

/** A plan with one rule, or none; `isInference` tells the requests that a rule of that scope may meet. */
export const createFaultPlan = (
  initial: FaultRule | undefined,
  isInference: (request: HttpRequest) => boolean,
): FaultPlan => {
  let rule = initial;
  let seen = 0;
  return {
    set: (next) => {
      rule = next;
      seen = 0;
    },
    choose: (request) => {
      const wish = headerOf(request, faultHeader);
      if (wish !== undefined) return readWish(wish);
      if (!rule || (rule.scope === "inference" && !isInference(request))) return undefined;
      seen += 1;
      return seen % rule.every === 0 ? rule.fault : undefined;
    },
  };
};
