import { parseArgs } from "node:util";
import { describe, faultsOf } from "./soak/report.ts";
import { soak } from "./soak/soak.ts";

const usage = `Usage: bun run soak [options]

Runs mixed traffic, engines in trouble and reloads against the compiled router, and
ends with 1 where requests are lost or anything is left behind.

Options:
  --minutes <minutes>   how long (10)
  --clients <count>     clients at once (32)
`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    clients: { type: "string", default: "32" },
    help: { type: "boolean", default: false },
  },
});
const [minutes, clients] = [Number(values.minutes), Number(values.clients)];

if (values.help) process.stdout.write(usage);
else if (!(minutes > 0) || !Number.isSafeInteger(clients) || clients < 1) {
  process.stderr.write(`--minutes and --clients are numbers above 0\n\n${usage}`);
  process.exitCode = 2;
} else {
  const soaked = await soak({ seconds: minutes * 60, clients });
  const faults = faultsOf(soaked);
  for (const line of [...describe(soaked), ...faults.map((fault) => `FAILED: ${fault}`)])
    process.stdout.write(`${line}\n`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
