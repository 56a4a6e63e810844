import { describeConfig } from "./cli/check.ts";
import { type Command, type CommandEntry, type CliPlatform, refuse, tableCommand } from "./cli/command.ts";
import { printHelp } from "./cli/help.ts";
import { readRouterConfig } from "./cli/router-config.ts";
import { parseArgv } from "./config/argv.ts";
import { routerOptions } from "./config/options.ts";
import { escapeLine } from "./core/log.ts";
import { version } from "./version.ts";

const serve: Command = {
  usage: "[flags] [url ...]",
  options: routerOptions,
  readsEnvironment: true,
  examples: [
    "http://10.0.0.1:8000 http://10.0.0.2:8000",
    "--routing-logic roundrobin --service-discovery static --static-backends http://a:8000,http://b:8000 --static-models m,m",
  ],
  run: async (commandLine, platform) => {
    const given = await readRouterConfig(commandLine, platform, names);
    if ("problems" in given) return refuse(serve.usage, given.problems, platform);
    const { serveRouter } = await import("./cli/serve.ts");
    return serveRouter(given, platform);
  },
};

const check: Command = {
  ...serve,
  usage: "check [flags] [url ...]",
  examples: ["check --routing-logic session --session-key x-user-id http://a:8000"],
  run: async (commandLine, platform) => {
    const given = await readRouterConfig(commandLine, platform, names);
    for (const warning of given.warnings) {
      platform.write("stderr", `vllm-router: warning: ${escapeLine(warning)}\n`);
    }
    if ("problems" in given) return refuse(check.usage, given.problems, platform);
    platform.write("stdout", describeConfig(given.config, given.settings));
    return 0;
  },
};

const printVersion = ({ write }: Pick<CliPlatform, "write">): number => {
  write("stdout", `vllm-router ${version}\n`);
  return 0;
};

const versionCommand: Command = tableCommand({
  usage: "version",
  options: {},
  run: async (_values, platform) => printVersion(platform),
});

/** Every command; the first one is meant where none is named. A new command is one row. */
export const commands: readonly [CommandEntry, ...CommandEntry[]] = [
  { name: "serve", summary: "routes requests to engines; the default command", load: async () => serve },
  {
    name: "demo",
    summary: "shows the router at work on simulated engines",
    load: async () => (await import("./cli/demo.ts")).demo,
  },
  {
    name: "mock-engine",
    summary: "simulates a vLLM engine",
    load: async () => (await import("./cli/mock-engine.ts")).mockEngine,
  },
  {
    name: "simulate",
    summary: "compares routing policies on simulated engines, in virtual time",
    load: async () => (await import("./cli/simulate.ts")).simulate,
  },
  {
    name: "check",
    summary: "validates the flags of serve and prints the configuration they give",
    load: async () => check,
  },
  {
    name: "healthcheck",
    summary: "asks a running router for its health",
    load: async () => (await import("./cli/healthcheck.ts")).healthcheck,
  },
  { name: "version", summary: "prints the version", load: async () => versionCommand },
];

const names = commands.map(({ name }) => name);

/** Runs a command line and resolves to the exit code: 0, 1 for configurations and failures, 2 for usage. */
export const runCli = async (argv: readonly string[], platform: CliPlatform): Promise<number> => {
  const named = commands.find(({ name }) => name === argv[0]);
  const command = await (named ?? commands[0]).load();
  const commandLine = parseArgv(command.options, named ? argv.slice(1) : argv);
  if (commandLine.help) {
    printHelp(command, commands, { name: named?.name, columns: platform.columns() });
    return 0;
  }
  return commandLine.version ? printVersion(platform) : command.run(commandLine, platform);
};
