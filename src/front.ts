import { createKeyring, type Keyring } from "./access/keyring.ts";
import { type Admission, createAdmission } from "./admission/admission.ts";
import { createMemoryWatch } from "./admission/memory.ts";
import { joinAdmission } from "./admission/shared-admission.ts";
import { type AdmissionState, createAdmissionState } from "./admission/waiting.ts";
import type { Config } from "./config/config.ts";
import { readKeyFile } from "./config/key-files.ts";
import type { Clock } from "./core/clock.ts";
import { RouterError } from "./core/errors.ts";
import type { Log } from "./core/log.ts";
import type { ReadMemory } from "./core/memory-use.ts";
import { type Clients, createClients } from "./http/client.ts";
import { createEntrance, type Entrance, type EntranceDeps } from "./http/entrance.ts";
import type { RouterMetrics } from "./metrics/router-metrics.ts";
import type { Sharing } from "./sharing.ts";

/** What a front knows that the one that takes over from it goes on with. */
export interface FrontLegacy {
  readonly clients: Clients;
  readonly admission: AdmissionState;
}

interface FrontDeps extends Pick<EntranceDeps, "sampleTrace"> {
  /** Absent where no other thread serves. */
  readonly sharing?: Sharing | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Where it is told what becomes of keys and memory; `log` where absent. */
  readonly watchLog?: Log | undefined;
  readonly metrics: RouterMetrics;
  readonly isDraining: () => boolean;
  /** Absent where the process has all of the memory, or nobody cares. */
  readonly readMemory?: ReadMemory | undefined;
  /** Has garbage collected; nothing where it is not lent. */
  readonly collect?: (() => void) | undefined;
}

/** The side of a router that clients see: who is let in, and how many. Disposing it ends its loops. */
export interface Front extends AsyncDisposable {
  readonly admission: Admission;
  readonly legacy: FrontLegacy;
  /** The way in to an app; what is let in already needs no key and is traced already. */
  readonly open: (app: EntranceDeps["app"], already?: { readonly isLetIn: boolean }) => Entrance;
  /** Ends the requests that are under way with an error. */
  readonly cut: () => void;
  /** Looks at the files of keys. */
  readonly lookAtKeys: () => Promise<void>;
}

const NO_LIMITS = { maxConcurrent: Number.POSITIVE_INFINITY, queueSize: 0, queueTimeoutMs: 0 };

/** Builds the front of a router; requests under way go on in the accounts of the one before. */
export const createFront = (
  { access, admission: limits = NO_LIMITS, server }: Pick<Config, "access" | "admission" | "server">,
  { clock, log, watchLog = log, metrics, isDraining, readMemory, collect = () => {}, ...lent }: FrontDeps,
  previous?: FrontLegacy,
): Front => {
  const { sharing, sampleTrace } = lent;
  const parts = new AsyncDisposableStack();
  const memory = readMemory && parts.use(createMemoryWatch(readMemory, { clock, log: watchLog, collect }));
  const keyring: Keyring | undefined =
    access && parts.use(createKeyring(access, { clock, log: watchLog, readKeyFile }));
  const legacy: FrontLegacy = previous ?? {
    clients: createClients(server.idleTimeoutSeconds),
    admission: sharing
      ? joinAdmission(sharing.memory.admission, sharing.seat, { clock })
      : createAdmissionState({ clock }),
  };
  const { clients } = legacy;
  const isShort = (): boolean => memory?.isShort() ?? false;
  const isClosing = (): boolean => isDraining() || (memory?.isTight() ?? false);
  return {
    admission: createAdmission(limits, { clock, state: legacy.admission, metrics, isShort }),
    legacy,
    open: (app, { isLetIn } = { isLetIn: false }) =>
      createEntrance({
        app,
        clients,
        clock,
        log,
        isClosing,
        metrics,
        ...(!isLetIn && { keyring, sampleTrace }),
      }),
    cut: () => clients.cut(new RouterError("router_shutdown", "The router ends; please try again.")),
    lookAtKeys: async () => keyring?.look(),
    [Symbol.asyncDispose]: async () => parts.disposeAsync(),
  };
};
