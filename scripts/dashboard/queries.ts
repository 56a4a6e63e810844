import type { LabelValues, MetricName } from "../../src/metrics/catalog.ts";

type Label<Name extends MetricName> = keyof LabelValues<Name> & string;

const by = (labels: readonly string[]): string => (labels.length === 0 ? "" : ` by (${labels.join(", ")})`);

/** What a dashboard chooses: the job of the routers. */
const CHOSEN = 'job=~"$job"';

/** How much a counter grows in a second, over all routers. */
export const rate = <Name extends MetricName<"counter">>(
  name: Name,
  ...labels: readonly Label<Name>[]
): string => `sum${by(labels)} (rate(${name}{${CHOSEN}}[$__rate_interval]))`;

/** A quantile of a histogram, over all routers. */
export const quantile = (q: number, name: MetricName<"histogram">): string =>
  `histogram_quantile(${q}, sum by (le) (rate(${name}_bucket{${CHOSEN}}[$__rate_interval])))`;

/** A gauge of what goes through each router, summed over them. */
export const total = <Name extends MetricName<"gauge">>(
  name: Name,
  ...labels: readonly Label<Name>[]
): string => `sum${by(labels)} (${name}{${CHOSEN}})`;

/** What every router says of each engine, taken once for each and summed over the engines. */
export const once = <Name extends MetricName<"gauge">>(
  name: Name & ("server" extends Label<Name> ? Name : never),
  ...labels: readonly Label<Name>[]
): string => `sum${by(labels)} (max${by(["server", ...labels])} (${name}{${CHOSEN}}))`;

/** The largest of a gauge, for each value of the labels. */
export const largest = <Name extends MetricName<"gauge">>(
  name: Name,
  ...labels: readonly Label<Name>[]
): string => `max${by(labels)} (${name}{${CHOSEN}})`;
