import { describe, expect, test } from "bun:test";
import { configOf, parse, problemsOf, staticArgv } from "./given.ts";
import { routingBy } from "../../src/routing/index.ts";

const backendsIn = (argv: readonly string[]) => {
  const { discovery } = configOf(argv);
  return discovery.kind === "static" ? discovery.backends : [];
};
const backendsOf = (backends: string, models: string, ...more: string[]) =>
  backendsIn([...staticArgv(backends, models), ...more]);

describe("a backend's URL", () => {
  test.each([
    ["http://localhost:8000", "http://localhost:8000"],
    ["https://engine.example.com", "https://engine.example.com"],
    ["http://engine", "http://engine"],
    ["http://engine_1-a.svc.cluster.local:8000/", "http://engine_1-a.svc.cluster.local:8000"],
    ["http://10.0.0.1:8000///", "http://10.0.0.1:8000"],
    ["http://[::1]:8000", "http://[::1]:8000"],
    ["http://[2001:db8::7]/v/", "http://[2001:db8::7]/v"],
    ["http://a:80/team/engine-1", "http://a:80/team/engine-1"],
    ["  http://a:8000  ", "http://a:8000"],
    ["HTTP://Engine:8000", "HTTP://Engine:8000"],
  ])("%p is understood as %s", (text, url) => {
    expect(backendsOf(text, "m")).toEqual([{ url, models: ["m"] }]);
    expect(backendsIn([text.trim()])).toEqual([{ url }]);
  });

  test.each([
    ["engine:8000", '"engine:8000" is not an http or https URL; write it like http://engine:8000'],
    ["10.0.0.1", '"10.0.0.1" is not an http or https URL; write it like http://10.0.0.1'],
    ["[::1]:8000/v", '"[::1]:8000/v" is not an http or https URL; write it like http://[::1]:8000/v'],
    ["ftp://a", '"ftp://a" is not an http or https URL; write it like http://host:8000'],
    ["unix:/run/a", '"unix:/run/a" is not an http or https URL; write it like http://host:8000'],
    ["http:a", '"http:a" is not an http or https URL; write it like http://host:8000'],
    ["http://", '"http://" is not an http or https URL; write it like http://host:8000'],
    ["http:///a", '"http:///a" is not an http or https URL; write it like http://host:8000'],
    ["http://a b", '"http://a b" is not a valid URL; write it like http://host:8000'],
    ["http://a\\b", '"http://a\\\\b" is not a valid URL; write it like http://host:8000'],
    ["http://a:port", '"http://a:port" is not a valid URL; write it like http://host:8000'],
    ["http://a:99999", '"http://a:99999" is not a valid URL; write it like http://host:8000'],
    ["http://a:0", '"http://a:0" is not a valid URL; write it like http://host:8000'],
    ["http://::1:8000", '"http://::1:8000" is not a valid URL; write it like http://host:8000'],
    ["http://a?x=1", '"http://a?x=1" has a query or a fragment; a base URL ends with its path'],
    ["http://a/#x", '"http://a/#x" has a query or a fragment; a base URL ends with its path'],
    ["http://user:pass@a", '"http://****@a" contains credentials; give the URL without them'],
    ["http://user:pa/ss@a", '"http://****@a" is not a valid URL; write it like http://host:8000'],
    ["http://@a", '"http://****@a" contains credentials; give the URL without them'],
    ["", "an item of the list is empty; give a URL such as http://host:8000"],
  ])("%p is refused by name, and not dropped", (text, message) => {
    expect(problemsOf(staticArgv(`http://good,${text}`, "m,m"))).toEqual([`--static-backends: ${message}`]);
    expect(problemsOf(["http://good", text])).toEqual([`URL: ${message}`]);
  });
});

describe("the lists", () => {
  test.each([
    ["--static-models=m,n,o", "--static-models: 3 models for 2 backends; give one model"],
    ["--static-models=m", "--static-models: 1 model for 2 backends; give one model"],
    ["--static-model-labels=x", "--static-model-labels: 1 label for 2 backends; give one label"],
    ["--static-model-types=chat,chat,chat", "--static-model-types: 3 types for 2 backends; give one type"],
  ])("%s must be as long as that of backends", (flag, problem) => {
    expect(problemsOf([...staticArgv(), flag])).toEqual([`${problem} for each backend, in the same order`]);
  });

  test("of models has no holes; one of labels may", () => {
    expect(problemsOf(staticArgv("http://a,http://b", "m,"))).toEqual([
      "--static-models: an item of the list is empty; give one model for each backend",
    ]);
    expect(backendsOf("http://a,http://b", "m,m", "--static-model-labels=x,")).toEqual([
      { url: "http://a", models: ["m"], label: "x" },
      { url: "http://b", models: ["m"] },
    ]);
  });

  test("are trimmed, and names of models may hold colons and slashes", () => {
    expect(backendsOf("http://a , http://b", " org/model:tag , m ")).toEqual([
      { url: "http://a", models: ["org/model:tag"] },
      { url: "http://b", models: ["m"] },
    ]);
  });
});

describe("a backend that is given more than once", () => {
  test("has all its models, however its URL is written", () => {
    const argv = ["--static-model-labels=x,y,x", "--static-model-types=chat,chat,embeddings"];
    expect(backendsOf("http://a:80/,http://b,http://A", "m,m,n", ...argv)).toEqual([
      {
        url: "http://a:80",
        models: ["m", "n"],
        label: "x",
        types: new Map([
          ["m", "chat"],
          ["n", "embeddings"],
        ]),
      },
      { url: "http://b", models: ["m"], label: "y", types: new Map([["m", "chat"]]) },
    ]);
  });

  test("with the same model counts once, with a warning", () => {
    const parsed = parse(staticArgv("http://a,http://a/,http://a", "m,m,m"));
    expect(parsed).toMatchObject({
      config: { discovery: { backends: [{ url: "http://a", models: ["m"] }] } },
    });
    expect(parsed.warnings).toEqual([
      '--static-backends: http://a with the model "m" is given more than once and counts once',
    ]);
    expect(parse(["http://a", "http://a"]).warnings).toEqual([
      "URL: http://a is given more than once and counts once",
    ]);
  });

  test("has one label, and each of its models one type", () => {
    expect(problemsOf([...staticArgv("http://a,http://a", "m,n"), "--static-model-labels=x,y"])).toEqual([
      '--static-backends: the label of http://a is given with both "x" and "y"; give it one of them',
    ]);
    expect(
      problemsOf([...staticArgv("http://a,http://a", "m,m"), "--static-model-types=chat,score"]),
    ).toEqual([
      '--static-backends: the type of http://a with the model "m" is given with both "chat" and "score"; give it one of them',
    ]);
  });
});

describe("URLs as arguments", () => {
  test("are static discovery and round robin, and the engines are asked for their models", () => {
    expect(configOf(["http://a:8000", "http://b:8000"])).toMatchObject({
      discovery: { kind: "static", backends: [{ url: "http://a:8000" }, { url: "http://b:8000" }] },
      routing: { logic: "roundrobin" },
    });
  });

  test("go with other logics and with the parallel lists", () => {
    const argv = ["http://a", "--routing-logic=session", "--session-key=k", "--static-models=m"];
    expect(configOf(argv)).toMatchObject({
      discovery: { backends: [{ url: "http://a", models: ["m"] }] },
      routing: routingBy("session", { sessionKey: "k" }),
    });
  });

  test("exclude the flag of backends and other kinds of discovery", () => {
    expect(problemsOf(["http://a", "--static-backends=http://b"])).toEqual([
      "--static-backends: given beside URLs as arguments; give the engines in one of the two ways",
    ]);
    expect(problemsOf(["http://a", "--service-discovery=k8s"])).toHaveLength(1);
  });
});

describe("aliases", () => {
  const aliasesOf = (aliases: string, models = "org/m:1,n") =>
    configOf([...staticArgv("http://a,http://b", models), `--static-aliases=${aliases}`]).aliases;
  const refusalsOf = (aliases: string) =>
    problemsOf([...staticArgv("http://a,http://b", "org/m:1,n"), `--static-aliases=${aliases}`]);

  test("are split at the first colon, so that models may hold some", () => {
    expect(aliasesOf("gpt4:org/m:1, other : n ")).toEqual(
      new Map([
        ["gpt4", "org/m:1"],
        ["other", "n"],
      ]),
    );
  });

  test("may be repeated, but not contradicted", () => {
    expect(aliasesOf("x:n,x:n")).toEqual(new Map([["x", "n"]]));
    expect(refusalsOf("x:n,x:org/m:1")).toEqual([
      '--static-aliases: "x" stands for both "n" and "org/m:1"; give it one model',
    ]);
  });

  test.each([
    ["x", '"x" is not an alias; write it like alias:model'],
    [":n", '":n" is not an alias; write it like alias:model'],
    ["x:", '"x:" is not an alias; write it like alias:model'],
    ["x:n,", '"" is not an alias; write it like alias:model'],
    ["x:zz", '"x" stands for "zz", which no backend serves; served are org/m:1, n'],
    ["n:n", '"n" is itself the name of a served model; choose another alias'],
    ["org/m:1", '"org/m" stands for "1", which no backend serves; served are org/m:1, n'],
  ])("%p is refused", (aliases, message) => {
    expect(refusalsOf(aliases)).toEqual([`--static-aliases: ${message}`]);
  });

  test("of engines that are asked for their models are not checked", () => {
    expect(configOf(["http://a", "--static-aliases=x:whatever"]).aliases).toEqual(
      new Map([["x", "whatever"]]),
    );
  });
});
