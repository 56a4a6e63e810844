import { clientFaults } from "./client-faults.ts";
import { engineFaults } from "./engine-faults.ts";
import { promises } from "./promises.ts";
import type { Row } from "./row.ts";
import { surroundingFaults } from "./surrounding-faults.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const shown = ({ tests, missing }: Row): string =>
  [
    ...tests.map((test) => {
      const colon = test.indexOf(": ");
      return `\`tests/${test.slice(0, colon)}\` (${cell(test.slice(colon + 2).replaceAll('"', ""))})`;
    }),
    ...(missing === undefined ? [] : [`**Not tested:** ${missing}`]),
  ].join("<br>");

const table = (first: string, rows: Readonly<Record<string, Row>>): string =>
  [
    `| | ${first} | shown by |`,
    "| --- | --- | --- |",
    ...Object.entries(rows).map(([id, row]) => `| ${id} | ${cell(row.what)} | ${shown(row)} |`),
  ].join("\n");

/** docs/reliability.md without its first line. */
export const reliabilityPage = (): string =>
  [
    "# Reliability",
    "What the router promises, which faults it is held against, and the tests that show it.",
    "## Promises",
    table("promise", promises),
    "## Engines that ...",
    table("fault", engineFaults),
    "## Clients that ...",
    table("fault", clientFaults),
    "## Around the router",
    table("fault", surroundingFaults),
  ].join("\n\n");
