import { alias } from "./fleet.ts";

/** What the lines for copying are made from. */
export interface TryItInput {
  /** Base URL of the router. */
  readonly url: string;
  /** Set when the router has ended: the command that starts it again at the same address. */
  readonly restart?: string;
}

/** Lines to copy, under a title. */
export interface TryItBlock {
  readonly title: string;
  readonly lines: readonly string[];
}

/** The command that runs the demo again with the same engines and keeps it running, as the demo itself was called. */
export const restartCommand = (
  env: Readonly<Record<string, string | undefined>>,
  { port, isDivided }: { readonly port: number; readonly isDivided: boolean },
): string => {
  const command = env["npm_lifecycle_event"] === "demo" ? "npm run demo --" : "vllm-router demo";
  return `${command} --serve${isDivided ? " --disaggregated" : ""} --port ${port}`;
};

/** A streaming curl, and the OpenAI SDKs pointed at the router. */
export const tryIt = ({ url, restart }: TryItInput): readonly TryItBlock[] => [
  ...(restart === undefined ? [] : [{ title: "Keep it running", lines: [restart] }]),
  {
    title: "Stream with curl",
    lines: [
      `curl -N ${url}/v1/chat/completions \\`,
      "  -H 'content-type: application/json' \\",
      `  -d '{"model": "${alias.name}", "stream": true,`,
      `       "messages": [{"role": "user", "content": "Hello"}]}'`,
    ],
  },
  {
    title: "OpenAI SDK, Python",
    lines: [`client = OpenAI(base_url="${url}/v1", api_key="unused")`],
  },
  {
    title: "OpenAI SDK, JavaScript",
    lines: [`const client = new OpenAI({ baseURL: "${url}/v1", apiKey: "unused" });`],
  },
];
