import { describe, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { readText } from "../../src/config/document.ts";
import { type FileSettings, parseConfigFile } from "../../src/config/file.ts";
import { routerOptions } from "../../src/config/options.ts";
import { describeProblem } from "../../src/config/problem.ts";

const read = async (text: string, format: "json" | "yaml"): Promise<FileSettings> =>
  parseConfigFile(text, { path: "router.conf", format }, routerOptions);

const textsOf = ({ settings }: FileSettings) =>
  Object.fromEntries(settings.entries().map(([property, { text }]) => [property, text]));

const yaml = async (text: string) => textsOf(await read(text, "yaml"));
const json = async (value: unknown) => textsOf(await read(JSON.stringify(value), "json"));
const problems = async (text: string, format: "json" | "yaml" = "yaml") =>
  (await read(text, format)).problems.map(describeProblem);

describe("values", () => {
  test("of JSON are the text that a flag would take", async () => {
    expect(
      await json({
        service_discovery: "static",
        static_backends: "http://a,http://b",
        static_backend_health_checks: true,
        static_backend_health_check_interval: 30,
        session_key: "",
        k8s_port: null,
      }),
    ).toEqual({
      serviceDiscovery: "static",
      staticBackends: "http://a,http://b",
      staticBackendHealthChecks: "true",
      staticBackendHealthCheckInterval: "30",
      sessionKey: "",
    });
  });

  test("of YAML stay as they were written, and null is not set", async () => {
    expect(
      await yaml("session_key: 00123\nk8s_namespace: 1e5\nk8s_port: ~\ncallbacks:\nroot_path: no"),
    ).toEqual({
      sessionKey: "00123",
      k8sNamespace: "1e5",
      rootPath: "no",
    });
  });

  test("are named by their key and file, and come from it", async () => {
    const { settings } = await read("session_key: x", "yaml");
    expect(settings.get("sessionKey")).toEqual({
      text: "x",
      source: "file",
      name: "session_key in router.conf",
    });
  });

  test("that are lists may be written as lists", async () => {
    const text = "static_backends: [http://a, http://b]\nprefill_model_labels:\n  - x\n  - 7\n";
    expect(await yaml(text)).toEqual({ staticBackends: "http://a,http://b", prefillModelLabels: "x,7" });
    expect(await json({ static_models: ["m", "n"] })).toEqual({ staticModels: "m,n" });
  });
});

describe("models and aliases as maps", () => {
  const contract = `
static_models:
  facebook/opt-125m:
    static_backends:
      - http://a:9001
      - http://a:9003
    static_model_type: completion
  meta-llama/Llama-3.1-8B-Instruct:
    static_backends: [http://a:9002]
    static_model_type: chat
static_aliases:
  gpt4: meta-llama/Llama-3.1-8B-Instruct
  small: org/model:tag
`;

  test("become parallel lists, a model named once for each of its backends", async () => {
    expect(await yaml(contract)).toEqual({
      staticBackends: "http://a:9001,http://a:9003,http://a:9002",
      staticModels: "facebook/opt-125m,facebook/opt-125m,meta-llama/Llama-3.1-8B-Instruct",
      staticModelTypes: "completion,completion,chat",
      staticAliases: "gpt4:meta-llama/Llama-3.1-8B-Instruct,small:org/model:tag",
    });
  });

  test("may stand in JSON as well", async () => {
    expect(
      await json({ static_models: { m: { static_backends: ["http://a"] } }, static_aliases: { x: "m" } }),
    ).toEqual({ staticBackends: "http://a", staticModels: "m", staticAliases: "x:m" });
  });

  test("keep the place of a model without a type", async () => {
    const text = `
static_models:
  untyped: {static_backends: [http://a, http://b]}
  typed: {static_backends: "http://c,http://d", static_model_type: chat}
`;
    expect((await yaml(text))["staticModelTypes"]).toBe(",,chat,chat");
  });

  test("leave a model without backends out, with a warning", async () => {
    const found = await read(
      "static_models:\n  m:\n  n: {static_backends: []}\n  o: {static_backends: http://a}",
      "yaml",
    );
    expect(textsOf(found)).toEqual({ staticBackends: "http://a", staticModels: "o" });
    expect(found.warnings).toEqual([
      'static_models in router.conf: "m" has no static_backends and is left out',
      'static_models in router.conf: "n" has no static_backends and is left out',
    ]);
  });

  test.each([
    [
      "static_models: {m: {static_backend: [http://a]}}",
      /"m" has no key "static_backend"; did you mean static_backends\?/,
    ],
    ["static_models: {m: {static_backends: [[http://a]]}}", /static_backends of "m" is not a list of URLs/],
    ["static_models: {m: {static_backends: {a: b}}}", /static_backends of "m" is not a list of URLs/],
    [
      "static_models: {m: {static_backends: [a], static_model_type: [chat]}}",
      /static_model_type of "m" is not one word/,
    ],
    ["static_models: {m: http://a}", /"m" needs static_backends/],
    ['static_models: {"m,n": {static_backends: [http://a]}}', /"m,n" contains a comma/],
    ['static_models: {"": {static_backends: [http://a]}}', /a model has no name/],
    ['static_aliases: {"a:b": m}', /"a:b" contains a colon/],
    ['static_aliases: {a: "m,n"}', /"a: m,n" contains a comma/],
    ["static_aliases: {a: [m]}", /the model of "a" is not text/],
    [
      "static_models: {m: {static_backends: [http://a]}}\nstatic_backends: http://b",
      /static_backends in router\.conf: given beside static_models as a map/,
    ],
    ["static_backends: [http://a, [http://b]]", /an item is not text/],
    ['static_backends: ["http://a,http://b"]', /"http:\/\/a,http:\/\/b" contains a comma/],
    ["session_key: [x]", /session_key in router\.conf: is a list; give one value/],
    ["session_key: {x: y}", /session_key in router\.conf: is a map; give one value/],
  ])("%s is refused", async (text, message) => {
    expect(await problems(text)).toEqual([expect.stringMatching(message)]);
  });
});

describe("what is wrong", () => {
  test("is all named, unknown keys with the nearest known one", async () => {
    expect(await problems("static_backend: x\nrouting-logic: y\nqqqqqqq: z\ndynamic_config_json: a")).toEqual(
      [
        "static_backend in router.conf: no such key; did you mean static_backends?",
        "routing-logic in router.conf: no such key; did you mean routing_logic?",
        "qqqqqqq in router.conf: no such key",
        expect.stringMatching(/^dynamic_config_json in router\.conf: no such key/),
      ],
    );
  });

  test("in YAML is told with its place, as often as it occurs", async () => {
    expect(await problems("session_key: a\nsession_key: b\nport: 1\nport: 2\n")).toEqual([
      "router.conf: it is not YAML: Map keys must be unique at line 2, column 1",
      "router.conf: it is not YAML: Map keys must be unique at line 4, column 1",
    ]);
  });

  test.each([
    ['{"service_discovery": "sta', "json", /it is not JSON/],
    ["{} {}", "json", /it is not JSON/],
    ["[]", "json", /does not hold keys/],
    ['"text"', "json", /does not hold keys/],
    ["static_models: [a, b", "yaml", /it is not YAML/],
    ['session_key: "abc', "yaml", /it is not YAML/],
    ["a: 1\n---\nb: 2", "yaml", /it is not YAML/],
    ["session_key: *nowhere", "yaml", /it is not YAML/],
    ["session_key: !!js/function x", "yaml", /it is not YAML/],
    ["routing_logic", "yaml", /does not hold keys/],
  ] as const)("%j is refused as a whole", async (text, format, message) => {
    const [problem, ...others] = await problems(text, format);
    expect([problem, others]).toEqual([expect.stringMatching(message), []]);
  });

  test("a document that unfolds without end is refused", async () => {
    const levels = Array.from({ length: 9 }, (_, level) =>
      level === 0
        ? "a0: &a0 [x,x,x,x,x,x,x,x]"
        : `a${level}: &a${level} [${Array(8)
            .fill(`*a${level - 1}`)
            .join()}]`,
    );
    expect(await problems(levels.join("\n"))).toEqual([
      expect.stringMatching(/it is not YAML: Excessive alias/),
    ]);
  });

  test("arbitrary text never throws", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.constantFrom("json", "yaml"), async (text, format) => {
        await read(text, format);
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.json(), async (text) => {
        await read(`{"static_models": ${text}, "static_aliases": ${text}, "session_key": ${text}}`, "json");
      }),
    );
  });
});

test.each([
  ["", "json", true],
  [" \n", "json", true],
  ["null", "json", true],
  ["{}", "json", false],
  ["", "yaml", true],
  ["# only a comment\n", "yaml", true],
  ["---\n", "yaml", true],
  ["{}", "yaml", false],
] as const)("%j as %s says nothing: %p, and sets nothing", async (text, format, isEmpty) => {
  const found = await read(text, format);
  expect([found.isEmpty, found.settings.size, found.problems]).toEqual([isEmpty, 0, []]);
});

describe("a file", () => {
  const inFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
    const folder = await mkdtemp(join(tmpdir(), "router-config-"));
    try {
      await work(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  };
  const refusal = async (path: string) => {
    const found = await readText(path);
    return "refusals" in found ? found.refusals.join() : "none";
  };

  test("is read as it is, without a byte order mark", async () =>
    inFolder(async (folder) => {
      const path = join(folder, "file");
      await Bun.write(path, "\u{feff}a: \u{1f600}");
      expect(await readText(path)).toEqual({ text: "a: \u{1f600}" });
    }));

  test("that cannot be read says why", async () =>
    inFolder(async (folder) => {
      const path = join(folder, "file");
      expect(await refusal(path)).toBe("there is no such file");
      await mkdir(path);
      expect(await refusal(path)).toBe("it is a directory");
      await rm(path, { recursive: true });
      await Bun.write(path, new Uint8Array([0x61, 0xff, 0xfe]));
      expect(await refusal(path)).toBe("it is not UTF-8 text");
      await Bun.write(path, new Uint8Array(4 * 1024 * 1024 + 1));
      expect(await refusal(path)).toBe("it is larger than 4194304 bytes");
    }));

  test.skipIf(process.getuid?.() === 0)("that may not be read says so", async () =>
    inFolder(async (folder) => {
      const path = join(folder, "file");
      await Bun.write(path, "{}");
      await chmod(path, 0);
      expect(await refusal(path)).toBe("it may not be read");
    }),
  );
});
