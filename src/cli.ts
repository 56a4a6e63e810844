import { describeConfig } from "./cli/check.ts";
import { type CliPlatform, type Command, refuse, tableCommand } from "./cli/command.ts";
import { demo } from "./cli/demo.ts";
import { healthcheck } from "./cli/healthcheck.ts";
import { printHelp } from "./cli/help.ts";
import { mockEngine } from "./cli/mock-engine.ts";
import { readRouterConfig } from "./cli/router-config.ts";
import { serve } from "./cli/serve.ts";
import { parseArgv } from "./config/argv.ts";
import { routerOptions } from "./config/options.ts";
import { escapeLine } from "./core/log.ts";
import { version } from "./version.ts";

const serveCommand: Command = {
  name: "serve",
  summary: "routes requests to engines; the default command",
  usage: "[flags] [url ...]",
  options: routerOptions,
  readsEnvironment: true,
  examples: [
    "http://10.0.0.1:8000 http://10.0.0.2:8000",
    "--routing-logic roundrobin --service-discovery static --static-backends http://a:8000,http://b:8000 --static-models m,m",
  ],
  run: async (commandLine, platform) => {
    const given = readRouterConfig(commandLine, platform, names);
    return "problems" in given
      ? refuse(serveCommand, given.problems, platform)
      : serve(given.config, given.warnings, platform);
  },
};

const checkCommand: Command = {
  ...serveCommand,
  name: "check",
  summary: "validates the flags of serve and prints the configuration they give",
  examples: ["check --routing-logic session --session-key x-user-id http://a:8000"],
  run: async (commandLine, platform) => {
    const given = readRouterConfig(commandLine, platform, names);
    for (const warning of given.warnings) {
      platform.write("stderr", `vllm-router: warning: ${escapeLine(warning)}\n`);
    }
    if ("problems" in given) return refuse(checkCommand, given.problems, platform);
    platform.write("stdout", describeConfig(given.config, given.settings));
    return 0;
  },
};

const printVersion = ({ write }: Pick<CliPlatform, "write">): number => {
  write("stdout", `vllm-router ${version}\n`);
  return 0;
};

const versionCommand: Command = tableCommand({
  name: "version",
  summary: "prints the version",
  options: {},
  run: async (_values, platform) => printVersion(platform),
});

/** Every command; the first one is meant where none is named. A new command is one line. */
export const commands: readonly [Command, ...Command[]] = [
  serveCommand,
  demo,
  mockEngine,
  checkCommand,
  healthcheck,
  versionCommand,
];

const names = commands.map(({ name }) => name);

/** Runs a command line and resolves to the exit code: 0, 1 for configurations and failures, 2 for usage. */
export const runCli = async (argv: readonly string[], platform: CliPlatform): Promise<number> => {
  const named = commands.find(({ name }) => name === argv[0]);
  const command = named ?? commands[0];
  const commandLine = parseArgv(command.options, named ? argv.slice(1) : argv);
  if (commandLine.help) {
    printHelp(command, commands, platform.columns());
    return 0;
  }
  return commandLine.version ? printVersion(platform) : command.run(commandLine, platform);
};
