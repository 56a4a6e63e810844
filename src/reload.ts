import type { Clock } from "./core/clock.ts";
import type { Log } from "./core/log.ts";
import type { ReloadStatus } from "./core/reload-status.ts";
import type { Config, ParsedConfig } from "./config/config.ts";
import { readText } from "./config/document.ts";
import { describeProblem } from "./config/problem.ts";
import { describeDiscovery } from "./discovery/index.ts";
import type { RouterLegacy } from "./router-legacy.ts";
import type { Router } from "./router.ts";

/** The configuration file as it was read when the first router was made, and how it is read again. */
export interface ReloadOptions {
  readonly path: string;
  readonly text: string;
  /** Time between looks at the file. */
  readonly intervalMs: number;
  /** Warnings that were given for the first configuration; those are not repeated. */
  readonly warnings: readonly string[];
  readonly reparse: (text: string) => Promise<ParsedConfig>;
}

interface ReloadDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly create: (config: Config, status: () => ReloadStatus, previous?: RouterLegacy) => Router;
  /** Resolves when the router that was made last serves all requests that come; at once where absent. */
  readonly serving?: (() => Promise<void>) | undefined;
  /** Told of a file that cannot be used, once for each of its texts. */
  readonly onFailure?: ((error: Error) => void) | undefined;
}

/** A router that follows its configuration file; disposing it ends the router in use. */
export interface LiveRouter extends AsyncDisposable {
  readonly fetch: Router["fetch"];
  readonly admin: Router["admin"];
  readonly cut: Router["cut"];
  readonly lookAtKeys: Router["lookAtKeys"];
  /** Looks at the file now, and says so where nothing has changed. */
  readonly look: () => Promise<void>;
  readonly status: () => ReloadStatus;
}

/** A text counts as written when it stays the same for so long. */
const SETTLE_MS = 250;

/** What a look at the file finds; the same identity means the same finding. */
type Finding = Awaited<ReturnType<typeof readText>>;

const identityOf = (finding: Finding): string =>
  "text" in finding ? `text ${finding.text}` : `refused ${finding.refusals.join(" ")}`;

/**
 * Holds the router in use and puts another in its place when the text of the configuration file changes. New
 * requests go to the new router; those under way end in the one that they came to, whose loops end at once. A
 * file that cannot be used changes nothing, and its problems are logged once. Text is compared, not times or
 * names of files, so that a link that points elsewhere is a change and a touched file is none.
 */
export const createLiveRouter = (
  first: Config,
  { path, text, intervalMs, warnings, reparse }: ReloadOptions,
  { clock, log, create, serving, onFailure }: ReloadDeps,
): LiveRouter => {
  const stop = new AbortController();
  const retiring = new Set<Promise<void>>();
  let status: ReloadStatus = { succeeded: 0, failed: 0 };
  let current = { config: first, router: create(first, () => status) };
  let inEffect = identityOf({ text });
  let seen = inEffect;
  let warned: ReadonlySet<string> = new Set(warnings);

  /** What a task gives, or `undefined` when the router ends before: some files never end, some disks never answer. */
  const orEnd = async <Result>(task: Promise<Result>): Promise<Result | undefined> => {
    if (stop.signal.aborted) return undefined;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const end = (): void => resolve(undefined);
    stop.signal.addEventListener("abort", end);
    try {
      return await Promise.race([task, promise]);
    } finally {
      // One promise for all would keep what every race has given.
      stop.signal.removeEventListener("abort", end);
    }
  };

  const pause = async (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = clock.after(SETTLE_MS, resolve);
    await orEnd(promise);
  };

  /** Reads until two readings agree, unless nothing has changed; `undefined` when the router ends meanwhile. */
  const readSettled = async (): Promise<Finding | undefined> => {
    let finding = await orEnd(readText(path));
    while (finding && identityOf(finding) !== seen) {
      await pause();
      const again = await orEnd(readText(path));
      if (again && identityOf(again) === identityOf(finding)) break;
      finding = again;
    }
    return finding;
  };

  const reject = (problems: readonly string[]): void => {
    const error = problems.join("; ");
    status = { succeeded: status.succeeded, failed: status.failed + 1, lastAt: clock.now(), error };
    log.warning(`The configuration stays as it is, because of ${path}:`);
    for (const problem of problems) log.error(problem);
    onFailure?.(new Error(`The configuration file cannot be used: ${error}`));
  };

  const retire = ({ router }: typeof current): void => {
    const task = Promise.resolve(router[Symbol.asyncDispose]())
      .catch((error: unknown) => log.error(`A router that was replaced did not end well: ${String(error)}`))
      .finally(() => retiring.delete(task));
    retiring.add(task);
  };

  const accept = async (config: Config): Promise<void> => {
    if (Bun.deepEquals(config, current.config, true)) {
      log.info(`${path} has changed, but not what it says`);
      return;
    }
    const old = current;
    current = { config, router: create(config, () => status, old.router.legacy()) };
    retire(old);
    await serving?.();
    const what = `${describeDiscovery(config.discovery)}, ${config.routing.logic}`;
    log.info(`The configuration of ${path} is in effect: ${what}`);
  };

  const apply = async (finding: Finding): Promise<void> => {
    seen = identityOf(finding);
    if (seen === inEffect) {
      status = { succeeded: status.succeeded, failed: status.failed, lastAt: clock.now() };
      log.info(`${path} says again what is in effect`);
      return;
    }
    if ("refusals" in finding) {
      reject(finding.refusals.map((message) => `${path}: ${message}`));
      return;
    }
    const parsed = await reparse(finding.text);
    if (stop.signal.aborted) return;
    if ("problems" in parsed) {
      reject(parsed.problems.map(describeProblem));
      return;
    }
    for (const warning of parsed.warnings) if (!warned.has(warning)) log.warning(warning);
    warned = new Set(parsed.warnings);
    await accept(parsed.config);
    inEffect = seen;
    status = { succeeded: status.succeeded + 1, failed: status.failed, lastAt: clock.now() };
  };

  const lookOnce = async (isAsked: boolean): Promise<void> => {
    if (stop.signal.aborted) return;
    try {
      const finding = await readSettled();
      if (!finding) return;
      if (identityOf(finding) !== seen) await apply(finding);
      else if (isAsked) {
        const { error } = status;
        if (error === undefined) log.info(`${path} has not changed`);
        else log.warning(`${path} has not changed, and still cannot be used: ${error}`);
      }
    } catch (error) {
      reject([error instanceof Error ? error.message : String(error)]);
    }
  };

  // One look at a time, in the order in which they were asked for.
  let looking: Promise<void> = Promise.resolve();
  const look = async (isAsked: boolean): Promise<void> => {
    looking = looking.then(async () => lookOnce(isAsked));
    return looking;
  };
  let timer: Disposable | undefined;
  const schedule = (): void => {
    timer = clock.after(intervalMs, () => {
      void look(false).then(() => {
        if (!stop.signal.aborted) schedule();
      });
    });
  };
  schedule();

  return {
    fetch: (request, server) => current.router.fetch(request, server),
    admin: (request, server) => current.router.admin(request, server),
    cut: () => current.router.cut(),
    lookAtKeys: async () => current.router.lookAtKeys(),
    look: async () => look(true),
    status: () => status,
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error("the router ends"));
      timer?.[Symbol.dispose]();
      await looking;
      await Promise.all([...retiring, current.router[Symbol.asyncDispose]()]);
    },
  };
};
