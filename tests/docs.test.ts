import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { renderPages } from "../scripts/docs.ts";
import { parseConfig } from "../src/config/config.ts";
import { parseConfigFile } from "../src/config/file.ts";
import { routerOptions } from "../src/config/options.ts";
import { describeProblem } from "../src/config/problem.ts";
import { defaultSettings, mergeSettings } from "../src/config/sources.ts";
import { errorTable } from "../src/core/errors.ts";
import { environmentName, flagName } from "../src/core/option.ts";

const repository = join(import.meta.dir, "..");
const read = async (path: string): Promise<string> => {
  const file = Bun.file(join(repository, path));
  return (await file.exists()) ? file.text() : "";
};

test.each(Object.entries(await renderPages()))(
  "%s is what its tables say (npm run docs writes it)",
  async (path, text) => {
    expect(await read(path)).toBe(text);
  },
);

test("every option and every error has its line", async () => {
  const options = await read("docs/options.md");
  for (const property of Object.keys(routerOptions)) {
    expect(options).toMatch(
      new RegExp(`^\\| \`--${flagName(property)}[ \`].*\`${environmentName(property)}\``, "m"),
    );
  }
  const errors = await read("docs/errors.md");
  for (const code of Object.keys(errorTable)) expect(errors).toContain(`\n| \`${code}\` |`);
});

/** Paths of the repository that a text names, in a sentence, a link or a code span. */
const pathsIn = (text: string): readonly string[] =>
  [...text.matchAll(/(?<![\w/.-])(?:src|tests|scripts|docs|deploy|\.ci)\/[\w/.-]*[\w/]/g)].map(
    ([path]) => path,
  );

test("paths are found in every form that prose has", () => {
  const text = "See `src/cli.ts`, [this](docs/options.md), tests/cli/ and scripts/x.ts. Not a/src/y.ts.";
  expect(pathsIn(text)).toEqual(["src/cli.ts", "docs/options.md", "tests/cli/", "scripts/x.ts"]);
});

test.each(["json", "yaml"] as const)("the example of a configuration file in %s is valid", async (format) => {
  const page = await read("docs/configuration-file.md");
  const [, text = ""] = new RegExp(`\\\`{3}${format}\n([^]*?)\\\`{3}`).exec(page) ?? [];
  const file = await parseConfigFile(text, { path: "example", format }, routerOptions);
  const settings = mergeSettings(defaultSettings(routerOptions), file.settings);
  const parsed = parseConfig({ settings, urls: [], problems: file.problems });
  expect("problems" in parsed ? parsed.problems.map(describeProblem) : parsed.config.aliases.size).toBe(1);
});

test.each(["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", "deploy/README.md"])(
  "%s names no file that is gone",
  async (page) => {
    expect(pathsIn(await read(page)).filter((path) => !existsSync(join(repository, path)))).toEqual([]);
  },
);

test.each(["README.md", "SECURITY.md", "deploy/README.md", "docs/operating.md"])(
  "%s names no option that there is not",
  async (page) => {
    const known = new Set(Object.keys(routerOptions).map(flagName));
    const named = [...(await read(page)).matchAll(/`--([a-z][a-z0-9-]*)/g)].map(([, name = ""]) => name);
    expect(named).not.toBeEmpty();
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  },
);
