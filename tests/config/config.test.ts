import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { routerOptions } from "../../src/config/options.ts";
import { exitCodeOf } from "../../src/config/problem.ts";
import { flagName } from "../../src/core/option.ts";
import { configOf, parse, problemsOf, staticArgv } from "./given.ts";
import { policies, routingBy } from "../../src/routing/index.ts";

const exitCode = (...argv: string[]): number => {
  const parsed = parse(argv);
  return "problems" in parsed ? exitCodeOf(parsed.problems) : 0;
};

test("without anything both missing flags are named, in the words of the reference", () => {
  expect(problemsOf([])).toEqual([
    "--routing-logic must be provided.",
    "--service-discovery must be provided, or use --external-providers-config with " +
      "--service-discovery=external-only for an external-providers-only deployment. " +
      "Static discovery needs no flag where URLs of engines are given as arguments.",
  ]);
  expect(exitCode()).toBe(1);
});

test("a configuration file that chooses no policy is named", () => {
  const argv = staticArgv().filter((argument) => !argument.startsWith("--routing-logic"));
  for (const flag of ["--dynamic-config-json", "--dynamic-config-yaml"])
    expect(problemsOf([...argv, `${flag}=some.conf`])).toEqual([
      "--routing-logic must be provided, or routing_logic in some.conf.",
    ]);
});

describe.each([
  ["--static-backends", "Static backends must be provided when using static service discovery."],
  ["--static-models", "Static models must be provided when using static service discovery."],
])("static discovery without %s", (flag, sentence) => {
  const argv = staticArgv().filter((argument) => !argument.startsWith(flag));

  test("is refused in the words of the reference", () => {
    expect(problemsOf(argv)).toHaveLength(1);
    expect(problemsOf(argv)[0]).toStartWith(`${flag}: ${sentence}`);
  });

  test("is the same as with a blank one", () => {
    expect(problemsOf([...argv, `${flag}= `])).toEqual(problemsOf(argv));
  });
});

describe("the launchers of the reference", () => {
  const launcher =
    "--port 30080 --service-discovery static " +
    "--static-backends http://localhost:8001,http://localhost:8002 " +
    "--static-models facebook/opt-125m,facebook/opt-125m --static-model-types chat,chat " +
    "--log-stats --log-stats-interval 10 --engine-stats-interval 10 --request-stats-window 10 " +
    "--prefill-model-labels prefill --decode-model-labels decode --static-model-labels prefill,decode " +
    "--session-key x-user-id";
  const launched = launcher.split(" ");

  const logics = [
    "roundrobin",
    "session",
    "prefixaware",
    "disaggregated_prefill",
    "disaggregated_prefill_orchestrated",
  ] as const;
  test.each(logics)("are understood with %s", (logic) => {
    const config = configOf([...launched, "--routing-logic", logic]);
    expect(config).toMatchObject({
      server: { port: 30080 },
      routing: routingBy(logic, {
        sessionKey: "x-user-id",
        prefillModelLabels: ["prefill"],
        decodeModelLabels: ["decode"],
      }),
      requestStatsWindowSeconds: 10,
      discovery: {
        backends: [
          { url: "http://localhost:8001", models: ["facebook/opt-125m"], label: "prefill" },
          { url: "http://localhost:8002", models: ["facebook/opt-125m"], label: "decode" },
        ],
      },
    });
  });

  test("are warned of nothing", () => {
    expect(parse([...launched, "--routing-logic=roundrobin"]).warnings).toEqual([]);
  });

  test("are told that kvaware is not available yet, and nothing else", () => {
    expect(problemsOf([...launched, "--routing-logic", "kvaware"])).toEqual([
      `--routing-logic: kvaware is not available yet; available are ${Object.keys(policies).join(", ")}`,
    ]);
    expect(exitCode(...launched, "--routing-logic", "kvaware")).toBe(1);
  });
});

describe("the address for error reports", () => {
  const withDsn = (dsn: string) => [...staticArgv(), `--sentry-dsn=${dsn}`];

  test.each(["https://key@o1.ingest.sentry.io/42", "http://key:old@10.0.0.1:9000/sub/path/7"])(
    "may be %s",
    (dsn) => {
      expect(configOf(withDsn(dsn)).sentry).toEqual({ dsn, tracesSampleRate: 0.1 });
    },
  );

  test("is absent where it is blank", () => {
    expect(configOf(withDsn("")).sentry).toBeUndefined();
  });

  test.each(["sentry.io", "https://host/1", "https://key@host", "https://key@host/x", "ftp://key@host/1"])(
    "is refused, and not shown, where it is %s",
    (dsn) => {
      expect(problemsOf(withDsn(dsn))).toEqual([
        "--sentry-dsn: is not a DSN; write it like https://key@host/1",
      ]);
    },
  );

  test("is beside a rate that has no effect, which is said", () => {
    const argv = [...withDsn("https://key@host/1"), "--sentry-profile-session-sample-rate=0.5"];
    expect(parse(argv).warnings).toEqual([
      "--sentry-profile-session-sample-rate has no effect: the runtime has no profiler for Sentry",
    ]);
  });
});

describe("a flag whose feature does not exist", () => {
  const unavailable = Object.entries(routerOptions).filter(([, row]) => "unavailable" in row);

  test.each(unavailable)("--%s is refused, however it is given", (property, row) => {
    const flag = `--${flagName(property)}`;
    const argv = [...staticArgv(), "argument" in row ? `${flag}=x` : flag];
    const sentence = "unavailable" in row ? row.unavailable : "";
    expect(problemsOf(argv)).toEqual([`${flag}: ${sentence}`]);
    expect(exitCode(...argv)).toBe(1);
    const variable = `VLLM_ROUTER_${flagName(property).replaceAll("-", "_").toUpperCase()}`;
    expect(problemsOf(staticArgv(), { [variable]: "true" })).toEqual([`${variable}: ${sentence}`]);
  });

  test.each(unavailable)("--%s may be given as what it is by default", (property, row) => {
    const flag = `--${flagName(property)}`;
    expect(problemsOf([...staticArgv(), "argument" in row ? `${flag}=` : `${flag}=no`])).toEqual([]);
  });

  test("is not refused for options that only accompany it", () => {
    const argv = ["--k8s-port=8000", "--k8s-namespace=x", "--otel-secure", "--semantic-cache-dir=y"];
    expect(problemsOf([...staticArgv(), ...argv])).toEqual([]);
  });

  test("--service-discovery external-only is refused", () => {
    expect(problemsOf(["--routing-logic=roundrobin", "--service-discovery=external-only"])).toEqual([
      "--service-discovery: external-only is not available yet; available are static, k8s",
    ]);
  });
});

describe("cross-checks", () => {
  test("session routing needs its key, which may be empty", () => {
    const argv = [...staticArgv(), "--routing-logic=session"];
    expect(problemsOf(argv)).toEqual([
      "--routing-logic: Session key must be provided when using session routing logic.",
    ]);
    expect(problemsOf([...argv, "--session-key="])).toEqual([]);
  });

  test("the interval of logged statistics counts only with them", () => {
    const argv = [...staticArgv(), "--log-stats-interval=0"];
    expect(problemsOf(argv)).toEqual([]);
    expect(problemsOf([...argv, "--log-stats"])).toEqual([
      "--log-stats-interval: Log stats interval must be greater than 0.",
    ]);
  });

  test.each([
    ["SemanticCache=false,PIIDetection=0,Other=no,", []],
    ["", []],
    ["SemanticCache=TRUE", ["--feature-gates: SemanticCache is not available yet."]],
    ["PIIDetection=true", ["--feature-gates: PIIDetection is not available yet."]],
    [
      "Typo=true,junk",
      [
        '--feature-gates: "Typo" is not the name of a gate; known are SemanticCache and PIIDetection',
        '--feature-gates: "junk" is not a gate; write it like SemanticCache=true',
      ],
    ],
  ])("--feature-gates %p", (gates, problems) => {
    expect(problemsOf([...staticArgv(), `--feature-gates=${gates}`])).toEqual(problems);
  });

  test("a check is left out where a value it reads is wrong already", () => {
    expect(problemsOf(["--routing-logic=rr", "--service-discovery=dns"])).toEqual([
      '--service-discovery: "dns" is not one of static, k8s, external-only',
      expect.stringMatching(/^--routing-logic: "rr" is not one of roundrobin, session, /),
    ]);
  });
});

test("every problem is reported at once, usage before configuration deciding the exit code", () => {
  const argv = (
    "--prot=80 --port=x --idle-timeout-seconds=0 --enable-batch-api --routing-logic=session " +
    "--service-discovery=static --static-backends=http://a,htp://b --static-models=m,n,o --static-aliases=x:y"
  ).split(" ");
  expect(problemsOf(argv)).toEqual([
    "--prot: no such flag; did you mean --port?",
    '--port: "x" is not an integer',
    "--idle-timeout-seconds: 0 is out of range; give 1 to 255",
    "--enable-batch-api: The batch API is not available yet.",
    "--routing-logic: Session key must be provided when using session routing logic.",
    "--static-models: 3 models for 2 backends; give one model for each backend, in the same order",
    '--static-backends: "htp://b" is not an http or https URL; write it like http://host:8000',
    '--static-aliases: "x" stands for "y", which no backend serves; served are m, n, o',
  ]);
  expect(exitCode(...argv)).toBe(2);
});

test("a secret appears in no problem", () => {
  const argv = ["--sentry-dsn=https://canary@sentry", "--static-backends=http://u:canary@a", "x:canary@b"];
  expect(problemsOf(argv).join("\n")).not.toContain("canary");
});

test("arbitrary values give a configuration or problems, never a throw", () => {
  const flag = fc.constantFrom(...Object.keys(routerOptions)).map(flagName);
  const argument = fc.tuple(
    flag,
    fc.oneof(fc.string(), fc.constantFrom("1", "http://a", "a:b", "true", ",")),
  );
  fc.assert(
    fc.property(fc.array(argument), fc.array(fc.string()), (flags, urls) => {
      const parsed = parse([...flags.map(([name, text]) => `--${name}=${text}`), ...urls]);
      expect("config" in parsed || parsed.problems.length > 0).toBe(true);
    }),
  );
});

describe("health checks", () => {
  const types = ["--static-backend-health-checks", "--static-model-types=chat,score"];
  const thresholds = { fall: 3, rise: 2 };
  const liveness = { path: "/health", intervalMs: 5000, timeoutMs: 2000, thresholds };

  test("are light ones unless they are turned off", () => {
    expect(configOf(staticArgv()).health).toEqual({ liveness });
    expect(configOf(["http://a"]).health).toEqual({ liveness });
    expect(configOf([...staticArgv(), "--disable-health-check"]).health).toEqual({});
    const argv =
      "--health-check-endpoint=/ping --health-check-interval-secs=0.5 --health-check-timeout-secs=0.25" +
      " --health-failure-threshold=1 --health-success-threshold=4";
    expect(configOf([...staticArgv(), ...argv.split(" ")]).health).toEqual({
      liveness: { path: "/ping", intervalMs: 500, timeoutMs: 250, thresholds: { fall: 1, rise: 4 } },
    });
  });

  test("are real requests as well where they are asked for", () => {
    const models = { intervalMs: 60_000, timeoutMs: 10_000, thresholds };
    expect(configOf([...staticArgv(), ...types]).health).toEqual({ liveness, models });
    const quick = [
      "--static-backend-health-check-interval=5",
      "--static-backend-health-check-timeout-seconds=2",
    ];
    expect(configOf([...staticArgv(), ...types, ...quick]).health).toEqual({
      liveness,
      models: { ...models, intervalMs: 5000, timeoutMs: 2000 },
    });
    const byUrl = [
      "http://a",
      "--static-models=m",
      "--static-backend-health-checks",
      "--static-model-types=chat",
    ];
    expect(configOf(byUrl).health).toEqual({ liveness, models });
  });

  test.each([
    [
      ["--static-backend-health-checks"],
      ["Static model types must be provided when using the backend healthcheck."],
    ],
    [
      ["--static-backend-health-checks", "--static-model-types=chat,Chat"],
      [
        "The model type 'Chat' is not supported. Supported model types are 'chat,completion,embeddings,rerank,score,transcription,vision,messages'",
      ],
    ],
    [
      ["--static-backend-health-checks", "--static-model-types=,chat"],
      [
        "The model type '' is not supported. Supported model types are 'chat,completion,embeddings,rerank,score,transcription,vision,messages'; the model \"m\" has none",
      ],
    ],
  ])("that cannot be are refused in the reference's words: %p", (argv, sentences) => {
    expect(problemsOf([...staticArgv(), ...argv])).toEqual(
      sentences.map((sentence) => expect.stringContaining(sentence)),
    );
  });

  test("need a model to ask for", () => {
    expect(problemsOf(["http://a", "--static-backend-health-checks", "--static-model-types=chat"])).toEqual([
      expect.stringMatching(
        /^--static-models: Static models must be provided when using the backend healthcheck/,
      ),
    ]);
  });

  test("leave types alone that nothing reads", () => {
    expect(problemsOf([...staticArgv(), "--static-model-types=chat,whatever"])).toEqual([]);
  });

  test.each([
    "--health-check-interval-secs=0",
    "--health-check-timeout-secs=-1",
    "--health-failure-threshold=0",
    "--health-success-threshold=0",
    "--health-check-endpoint=health",
    "--health-check-endpoint=/a b",
    "--health-check-endpoint=",
  ])("have no %s", (argument) => {
    expect(problemsOf([...staticArgv(), argument])).toHaveLength(1);
  });
});

describe("engines that fail", () => {
  const breaker = { failureThreshold: 5, successThreshold: 1, ejectionMs: 5000, windowMs: 30_000 };

  test("are left out, and come back bit by bit, unless they are told not to", () => {
    const slowStartMs = 30_000;
    expect(configOf(staticArgv()).outliers).toEqual({ breaker, slowStartMs, panicMode: "route" });
    expect(configOf([...staticArgv(), "--disable-circuit-breaker", "--slow-start-secs=0"]).outliers).toEqual({
      slowStartMs: 0,
      panicMode: "route",
    });
    const argv =
      "--cb-failure-threshold=1 --cb-success-threshold=2 --cb-timeout-duration-secs=0.5" +
      " --cb-window-duration-secs=60 --panic-mode=fail --slow-start-secs=1.5";
    expect(configOf([...staticArgv(), ...argv.split(" ")]).outliers).toEqual({
      breaker: { failureThreshold: 1, successThreshold: 2, ejectionMs: 500, windowMs: 60_000 },
      slowStartMs: 1500,
      panicMode: "fail",
    });
  });

  test.each([
    "--cb-failure-threshold=0",
    "--cb-success-threshold=0",
    "--cb-timeout-duration-secs=0",
    "--cb-window-duration-secs=0",
    "--slow-start-secs=-1",
    "--panic-mode=hope",
  ])("have no %s", (argument) => {
    expect(problemsOf([...staticArgv(), argument])).toHaveLength(1);
  });
});
