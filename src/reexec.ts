/** What of `process` decides how the process starts. */
export interface StartingProcess {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly execPath: string;
  readonly execArgv: readonly string[];
  readonly argv: readonly string[];
}

/** How the process starts. */
export type StartPlan =
  | { readonly kind: "run"; readonly warning?: string }
  | { readonly kind: "refuse"; readonly message: string }
  /** Replace this process by one with another environment; the process id stays. */
  | {
      readonly kind: "replace";
      readonly file: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string | undefined>>;
    };

/** Most fetches in flight that the runtime can be told to allow; its own default is 256. */
const MAX_FETCHES = 65_535;
const FETCHES = "BUN_CONFIG_MAX_HTTP_REQUESTS";
const IDLE_TIMEOUT = "BUN_CONFIG_HTTP_IDLE_TIMEOUT";

/** First words of command lines that make few fetches or none: these start at once. */
export const lightCommands: ReadonlySet<string> = new Set(["check", "healthcheck", "mock-engine", "version"]);

const isLight = (args: readonly string[]): boolean => {
  const [first = ""] = args;
  const end = args.indexOf("--");
  const flags = end < 0 ? args : args.slice(0, end);
  return lightCommands.has(first) || ["--help", "-h", "--version"].some((flag) => flags.includes(flag));
};

/** In a compiled binary `argv[1]` is the virtual path of the program inside it. */
const isCompiled = (script: string | undefined): boolean =>
  /^(\/\$bunfs\/|[A-Z]:[/\\]~BUN[/\\])/i.test(script ?? "");

/** Variables of the runtime that undo what the router promises, and how; all of them are read before our code runs. */
const intrusions: readonly (readonly [name: RegExp, what: string])[] = [
  [/^BUN_(OPTIONS$|INSPECT)/, "can run other code in this process"],
  [/^BUN_CONFIG_VERBOSE_FETCH$/, "prints requests with their keys"],
];

/** What such a variable does that is set. */
const findIntrusion = (env: StartingProcess["env"]): string | undefined => {
  for (const [name, value = ""] of Object.entries(env)) {
    const intrusion = intrusions.find(([pattern]) => value !== "" && pattern.test(name));
    if (intrusion) return `${name} is set, which ${intrusion[1]}`;
  }
  return undefined;
};

/**
 * Decides how to start. The runtime reads its cap on concurrent fetches before any JavaScript runs, so a router
 * replaces its process by one whose environment raises the cap; that variable also ends the recursion.
 */
export const planStart = ({ platform, env, execPath, execArgv, argv }: StartingProcess): StartPlan => {
  const intrusion = findIntrusion(env);
  if (intrusion !== undefined && env["VLLM_ROUTER_ALLOW_BUN_OPTIONS"] !== "1") {
    const message = `${intrusion}; unset it, or allow it with VLLM_ROUTER_ALLOW_BUN_OPTIONS=1`;
    return { kind: "refuse", message };
  }
  if (isLight(argv.slice(2))) return { kind: "run" };
  const fetches = env[FETCHES];
  if (fetches !== undefined) {
    const isValid = /^[1-9]\d{0,4}$/.test(fetches) && Number(fetches) <= MAX_FETCHES;
    const message = `${FETCHES} is ${JSON.stringify(fetches)}, which is not a number from 1 to ${MAX_FETCHES}; correct or unset it`;
    return isValid ? { kind: "run" } : { kind: "refuse", message };
  }
  if (platform === "win32") {
    const warning = `at most 256 requests are under way at once; start with ${FETCHES}=${MAX_FETCHES} for more`;
    return { kind: "run", warning };
  }
  return {
    kind: "replace",
    file: execPath,
    args: isCompiled(argv[1]) ? [execPath, ...argv.slice(2)] : [execPath, ...execArgv, ...argv.slice(1)],
    // 0 is no limit: a second guard for long silences, which every request to an engine switches off by itself.
    env: { [IDLE_TIMEOUT]: "0", ...env, [FETCHES]: String(MAX_FETCHES) },
  };
};
