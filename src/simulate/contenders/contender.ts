import type { RoutingPolicy } from "../../routing/policy.ts";
import type { Random } from "../random.ts";
import type { FleetView } from "../fleet-view.ts";

/** A policy that the router does not have, to be compared with. */
export interface Contender {
  /** The word of `--policies`. */
  readonly name: string;
  /** Half a sentence for the help and the docs. */
  readonly summary: string;
  readonly create: (view: FleetView, random: Random) => RoutingPolicy;
}
