import type { Choice, Outcome, Progress } from "./ask.ts";
import { alias, type DemoFleet } from "./fleet.ts";
import { createLanes } from "./lanes.ts";
import { createProse } from "./prose.ts";
import { askerOf, type DemoRequest } from "./requests.ts";
import type { Colour, Style } from "./style.ts";
import { type Column, renderTable } from "../core/text-table.ts";
import type { TryItBlock } from "./try-it.ts";

interface ReportDeps {
  readonly style: Style;
  /** Columns of the screen. */
  readonly columns: number;
  readonly write: (text: string) => void;
}

/** What the demo prints. */
export interface Report {
  readonly opening: (fleet: Pick<DemoFleet, "url" | "engines" | "routing">) => void;
  readonly heading: (text: string) => void;
  /** Prints a request as it goes on; `end` closes its paragraph. */
  readonly live: (request: DemoRequest) => Progress & { readonly end: () => void };
  /** Shows several requests that go on at once, where the screen can; disposing it leaves no trace. */
  readonly together: (requests: readonly DemoRequest[]) => Disposable & {
    readonly progressOf: (request: DemoRequest) => Progress;
  };
  readonly summary: (outcomes: readonly Outcome[]) => void;
  readonly blocks: (blocks: readonly TryItBlock[]) => void;
}

const INDENT = 3;
const colours: Readonly<Record<string, Colour>> = {
  "engine A": "cyan",
  "engine B": "magenta",
  "engine C": "yellow",
  "engine D": "blue",
};

/** Milliseconds, precise where they are few. */
const duration = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;

/** Prints for people, in lines that fit the screen. */
export const createReport = ({ style, columns, write }: ReportDeps): Report => {
  const line = (text = ""): void => write(`${text}\n`);
  const paintEngine = (text: string, name = text): string =>
    style.paint(colours[name.trim()] ?? "green", text);
  const paragraph = (text: string, indent = 0): void => {
    const prose = createProse({ columns, indent }, write);
    prose.add(text);
    prose.end();
  };

  const live: Report["live"] = (request) => {
    line(
      `${style.bold(String(request.number).padEnd(INDENT))}${style.bold(askerOf(request))} to ${request.model}`,
    );
    paragraph(`"${request.prompt}"`, INDENT);
    const prose = createProse({ columns, indent: INDENT }, write);
    return {
      routed: ({ engine, reason }) => {
        let dress = paintEngine;
        const choice = createProse({ columns, indent: INDENT }, (text) => write(dress(text, engine.name)));
        choice.add(engine.name);
        dress = style.dim;
        choice.add(` (${reason})`);
        choice.end();
      },
      text: prose.add,
      end: () => {
        prose.end();
        line();
      },
    };
  };

  const together: Report["together"] = (requests) => {
    if (!style.isRich) {
      return { progressOf: () => ({ routed: () => {}, text: () => {} }), [Symbol.dispose]: () => {} };
    }
    const dress = (label: string): string => paintEngine(label, label.slice(INDENT));
    const lanes = createLanes({ count: requests.length, columns, dress }, write);
    const progressOf = (request: DemoRequest): Progress => {
      const lane = requests.indexOf(request);
      const head = String(request.number).padEnd(INDENT);
      let choice: Choice | undefined;
      let text = "";
      const draw = (): void => lanes.set(lane, choice ? `${head}${choice.engine.name}  ` : head, text);
      draw();
      return {
        routed: (chosen) => {
          choice = chosen;
          draw();
        },
        text: (piece) => {
          text += piece;
          draw();
        },
      };
    };
    return { progressOf, [Symbol.dispose]: lanes[Symbol.dispose] };
  };

  const tableColumns: readonly Column[] = [
    { title: "request" },
    { title: "model" },
    { title: "engine", dress: paintEngine },
    { title: "why", isFlexible: true },
    { title: "cached", align: "right" },
    { title: "TTFT", align: "right" },
    { title: "tokens/s", align: "right" },
  ];

  return {
    opening: ({ url, engines, routing }) => {
      line(style.bold("vllm-router demo"));
      line();
      paragraph(
        "Simulated engines and a router, all in this process. The requests and the streams are real, over " +
          "HTTP; the pace is about that of a GPU; the answers are words without meaning.",
      );
      line();
      for (const { name, model, role, url: address } of engines) {
        const note = `${model === alias.model ? `, alias ${alias.name}` : ""}${role ? `, ${role}` : ""}`;
        line(`  ${paintEngine(name)}  ${address}  ${model}${note}`);
      }
      line(`  ${style.bold("router")}    ${url}  ${routing}`);
      line();
    },
    heading: (text) => {
      line(style.bold(style.paint("green", text)));
      line();
    },
    live,
    together,
    summary: (outcomes) => {
      const rows = outcomes.map(({ request, engine, reason, answer }) => [
        `${request.number} ${askerOf(request)}${request.model === engine.model ? "" : `, ${request.model}`}`,
        engine.model,
        engine.name,
        reason,
        `${((100 * answer.cachedTokens) / answer.promptTokens).toFixed(0)}%`,
        duration(answer.ttftMs),
        answer.tokensPerSecond?.toFixed(0) ?? "",
      ]);
      for (const text of renderTable({ columns: tableColumns, rows }, columns)) line(text);
      line();
      paragraph(
        "cached: the part of the prompt that the engine had computed before. TTFT: time to the first token, as the " +
          "client saw it. tokens/s: the rate after it.",
      );
      line();
    },
    blocks: (blocks) => {
      for (const { title, lines } of blocks) {
        line(style.dim(title));
        for (const text of lines) line(text);
        line();
      }
    },
  };
};
