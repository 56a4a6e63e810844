import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { repository } from "./support/binary.ts";

const source = join(repository, "src");
const files = [...new Bun.Glob("**/*.ts").scanSync(source)].map((path) => path.replaceAll("\\", "/")).sort();
const textOf = new Map(files.map((path) => [path, readFileSync(join(source, path), "utf8")]));

/** Finds in every file what `find` gives, as `file: what`. */
const findings = (find: (text: string, path: string) => readonly string[]): string[] =>
  files.flatMap((path) => find(textOf.get(path) ?? "", path).map((what) => `${path}: ${what}`));

/** The part of the house that a file belongs to: its folder, or itself where it stands at the top. */
const partOf = (path: string): string => path.split("/")[0] ?? path;

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g;

/** What a file imports, types and late imports included; our own files by their path. */
const importsOf = (text: string, path: string): string[] =>
  [...text.matchAll(IMPORT)].map(([, target = ""]) =>
    target.startsWith(".") ? posix.join(posix.dirname(path), target) : target,
  );

const PURE = ["core"];
const FLEET = [...PURE, "stats", "kubernetes", "discovery", "health", "routing", "metrics"];
const PROXY = [...FLEET, "fleet", "admission", "access", "http1"];
const HTTP = [...PROXY, "proxy"];
const ROUTER = [...HTTP, "http", "config"];
const EDGE = [
  ...ROUTER,
  "features",
  "engine-fleet.ts",
  "engines.ts",
  "front.ts",
  "router-legacy.ts",
  "router-platform.ts",
  "router.ts",
  "reload.ts",
  "sharing.ts",
  "workers",
  "mock-engine",
  "simulate",
  "demo",
  "cli",
  "cli.ts",
];

/** The parts that each part may see beside itself. Whoever adds a part adds its row. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  stats: PURE,
  kubernetes: PURE,
  discovery: [...PURE, "kubernetes"],
  health: PURE,
  routing: PURE,
  metrics: PURE,
  admission: PURE,
  access: PURE,
  http1: PURE,
  fleet: FLEET,
  proxy: PROXY,
  http: HTTP,
  config: [...PURE, "admission", "access", "routing", "discovery", "health"],
  "mock-engine": PURE,
  simulate: [...FLEET, "fleet", "mock-engine"],
  features: PURE,
  "sharing.ts": ROUTER,
  "engine-fleet.ts": [...ROUTER, "sharing.ts"],
  "engines.ts": [...ROUTER, "engine-fleet.ts"],
  "front.ts": [...ROUTER, "sharing.ts"],
  "router-legacy.ts": [...ROUTER, "engines.ts", "front.ts"],
  "router-platform.ts": [...ROUTER, "engines.ts", "sharing.ts"],
  "router.ts": [...ROUTER, "engines.ts", "front.ts", "router-legacy.ts", "router-platform.ts", "sharing.ts"],
  "reload.ts": [...ROUTER, "router-legacy.ts", "router.ts"],
  workers: [...ROUTER, "engine-fleet.ts", "engines.ts", "front.ts", "router.ts", "sharing.ts"],
  demo: EDGE,
  cli: EDGE,
  "cli.ts": EDGE,
  "main.ts": [...EDGE, "platform.ts", "dial.ts", "host.ts", "cgroup.ts", "reexec.ts"],
  "platform.ts": PURE,
  "dial.ts": PURE,
  "host.ts": PURE,
  "cgroup.ts": PURE,
  "reexec.ts": [],
  "version.ts": ["../package.json"],
};

/** Files that any part may see: schemas for the rows of an option table, and a constant. */
const SHARED: ReadonlySet<string> = new Set(["config/schemas.ts", "version.ts"]);

describe("the direction of imports", () => {
  test("has a row for every part", () => {
    expect([...new Set(files.map(partOf))].filter((part) => !(part in allowed))).toEqual([]);
  });

  test("is that of the table", () => {
    const against = findings((text, path) =>
      importsOf(text, path).filter((target) => {
        if (!/^\.\.\/|\.ts$/.test(target) || SHARED.has(target)) return false;
        const part = target.startsWith("../") ? target : partOf(target);
        return part !== partOf(path) && !(allowed[partOf(path)] ?? []).includes(part);
      }),
    );
    expect(against).toEqual([]);
  });

  test("loads optional features late, and only where they are asked for", () => {
    const early = findings((text) => text.match(/^import (?!type)[^;]*"[^"]*\/features\/[^"]*"/gm) ?? []);
    expect(early).toEqual([]);
    const late = findings((text) => text.match(/await import\("[^"]*\/features\/[^"]*"\)/g) ?? []);
    expect(late).toEqual(['cli/sentry.ts: await import("../features/sentry/sentry.ts")']);
  });

  test("loads the client of Kubernetes late, in one place", () => {
    const early = findings((text) => text.match(/^import (?!type)[^;]*"@kubernetes\/[^"]*"/gm) ?? []);
    expect(early).toEqual([]);
    const late = findings((text) => text.match(/import\("@kubernetes\/[^"]*"\)/g) ?? []);
    expect(late).toEqual([
      'kubernetes/kubeconfig.ts: import("@kubernetes/client-node/dist/config_types.js")',
    ]);
  });

  test("names files that are there", () => {
    const lost = findings((text, path) =>
      importsOf(text, path).filter((target) => target.endsWith(".ts") && !textOf.has(target)),
    );
    expect(lost).toEqual([]);
  });

  test("is found in every form in which a file can be named", () => {
    const text = `
      import a from "./a.ts";
      import type { B } from "../b.ts";
      import { c,
        d } from "./c.ts";
      import "./e.ts";
      export { f } from "./f.ts";
      const g = await import("./g.ts");
      type H = import("./h.ts").H;
      import fs from "node:fs";
    `;
    expect(importsOf(text, "part/file.ts")).toEqual([
      "part/a.ts",
      "b.ts",
      "part/c.ts",
      "part/e.ts",
      "part/f.ts",
      "part/g.ts",
      "part/h.ts",
      "node:fs",
    ]);
  });
});

/** What is impure, and the files that may name it: everybody else is lent it. */
const doors: Readonly<Record<string, readonly string[]>> = {
  fetch: ["platform.ts"],
  "globalThis.fetch": ["platform.ts"],
  "Bun.fetch": [],
  "Bun.connect": ["dial.ts"],
  setTimeout: ["platform.ts"],
  setInterval: ["main.ts"],
  "Bun.sleep": ["platform.ts"],
  "Date.now": ["platform.ts"],
  "performance.now": ["platform.ts"],
  "Math.random": ["platform.ts"],
  "process.env": ["main.ts"],
  console: ["main.ts"],
};

describe("the door", () => {
  /** Whether a text names the global thing; a parameter or a field of the same name is another thing. */
  const names = (text: string, thing: string): boolean =>
    new Bun.Transpiler({ loader: "ts", define: { [thing]: "THE_GLOBAL_THING" } })
      .transformSync(text)
      .includes("THE_GLOBAL_THING");

  test.each(Object.entries(doors))("to %s has no way round", (thing, keepers) => {
    const others = findings((text, path) => (!keepers.includes(path) && names(text, thing) ? [thing] : []));
    expect(others).toEqual([]);
  });

  test("tells the global thing from one that was lent", () => {
    expect(names('export const ask = async () => fetch("http://x");', "fetch")).toBe(true);
    expect(names('export const ask = async ({ fetch }) => fetch("http://x");', "fetch")).toBe(false);
    expect(names("export const now = () => Date.now();", "Date.now")).toBe(true);
    expect(names("export const now = (clock) => clock.now();", "Date.now")).toBe(false);
  });
});

describe("every file", () => {
  test("says what each of its exports promises", () => {
    const silent = findings((text) => {
      const lines = text.split("\n");
      return lines.filter(
        (line, index) =>
          /^export (?!type \{|\{|\*)/.test(line) && !lines[index - 1]?.trimEnd().endsWith("*/"),
      );
    });
    expect(silent).toEqual([]);
  });

  test("exports by name, and hands on nothing of others: only registries are index files", () => {
    expect(findings((text) => text.match(/^export (?:default\b|\*|\{[^}]*\} from).*/gm) ?? [])).toEqual([]);
    const indexes = files.filter((path) => /(?:^|\/)index\.ts$/.test(path));
    expect(indexes.filter((path) => !["routing/index.ts", "discovery/index.ts"].includes(path))).toEqual([]);
  });

  test("keeps no state of its own: two routers can live in one process", () => {
    expect(findings((text) => text.match(/^(?:export )?(?:let|var) .*/gm) ?? [])).toEqual([]);
  });

  test("is named after what it holds, not after a kind of thing", () => {
    expect(
      files.filter((path) => /(?:^|\/)(?:utils?|helpers?|types|common|misc|manager)(?:\.ts|\/)/.test(path)),
    ).toEqual([]);
  });

  test("has no class but errors", () => {
    const classes = findings((text) => text.match(/^(?:export )?(?:abstract )?class .*/gm) ?? []);
    expect(classes.filter((line) => !/class \w+ extends \w*Error\b/.test(line))).toEqual([]);
  });
});
