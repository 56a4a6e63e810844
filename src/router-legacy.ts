import type { Config } from "./config/config.ts";
import type { EnginesLegacy } from "./engines.ts";
import type { FrontLegacy } from "./front.ts";
import type { RouterMetrics } from "./metrics/router-metrics.ts";
import type { RetryBudget } from "./proxy/retry-budget.ts";
import type { RoutePlan, RoutingPolicy } from "./routing/policy.ts";

/** What a router knows that the one that takes over from it goes on with. */
export interface RouterLegacy {
  readonly routing: Config["routing"];
  readonly policy: RoutingPolicy<RoutePlan>;
  readonly front: FrontLegacy;
  readonly engines: EnginesLegacy;
  readonly metrics: RouterMetrics;
  readonly budgets: RetryBudgets;
  readonly createdAt: number;
}

/** What requests may draw on for attempts that come after others, and what their prefills may. */
interface RetryBudgets {
  readonly answers: RetryBudget;
  readonly prefills: RetryBudget;
}
