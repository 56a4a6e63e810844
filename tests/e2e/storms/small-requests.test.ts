import { expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { type RunningProcess, residentKiB, startRouterProcess, staticArgs } from "../../support/processes.ts";
import { rawAnswer, startRawEngine } from "../../support/raw-engine.ts";

const ENGINES = 20;
/** Requests by which a processor's share is taken: the system counts it in hundredths of a second. */
const MANY = 1000;
const AT_ONCE = 8;
/** Requests that are held at once to see what memory each of them takes. */
const HELD = 200;
const HELD_MS = 500;
const MOST_BYTES = 10 * 1024;
const MOST_SHARES = 100;
const MOST_KIB = 1024;

/** A GET where there is no body. */
interface Kind {
  readonly path?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const times = (count: number, text: string | ((nth: number) => string)): string =>
  Array.from({ length: count }, (_, nth) => (typeof text === "string" ? text : text(nth))).join("");

const json = (fields: string): Kind => ({ body: `{"model":"m",${fields}}` });
const chat = (messages: string): Kind => json(`"messages":[${messages}]`);

const ORDINARY = chat('{"role":"user","content":"Hello, who are you?"}');

const part = (name: string): string => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`;
const form = (boundary: string, body: string): Kind => ({
  path: "/v1/audio/transcriptions",
  headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
  body,
});

/** Small requests, each made to cost as much as it can. */
const KINDS: Readonly<Record<string, (nth: number) => Kind>> = {
  "arrays in arrays": () => json(`"x":${times(4900, "[")}${times(4900, "]")}`),
  "objects in objects": () => json(`"x":${times(1600, '{"a":')}1${times(1600, "}")}`),
  "arrays in arrays, no deeper than is taken": () =>
    json(`"x":${times(62, "[")}${times(4900, "1,")}1${times(62, "]")}`),
  "a thousand fields": () => json(times(1000, (nth) => `"f${nth}":1,`).slice(0, -1)),
  "the model 700 times": () => json(times(700, '"model":"m",').slice(0, -1)),
  "3,000 messages": () => chat(times(3000, "{},").slice(0, -1)),
  "a prompt of escapes": () => json(`"prompt":"${times(1600, "\\u0041")}"`),
  "a prompt like no other": (nth) =>
    json(`"prompt":"${times(2000, (word) => ` ${((nth + 1) * (word + 7)) % 997}`).slice(0, 9000)}"`),
  "a model like no other": (nth) => ({ body: `{"model":"${nth}${times(9000, "m")}","prompt":"x"}` }),
  "a body that ends too soon": () => ({ body: `{"model":"m","prompt":"${times(9000, "x")}` }),
  "a form of 180 parts": () => form("b", `${times(180, `${part("a")}1\r\n`)}${part("model")}m\r\n--b--\r\n`),
  "a form of nothing but boundaries": () => form(times(60, "-"), times(9500, "-")),
  "a query of nothing": () => ({ ...ORDINARY, path: `/v1/chat/completions?${times(4000, "&=")}` }),
  "180 headers": () => ({
    ...ORDINARY,
    headers: Object.fromEntries(Array.from({ length: 180 }, (_, nth) => [`x-${nth}`, times(30, "y")])),
  }),
  "a path of 4,000 parts": () => ({ ...ORDINARY, path: `/v1/${times(4000, "a/")}a` }),
  "all metrics": () => ({ path: "/metrics" }),
  "all models": () => ({ path: "/v1/models" }),
  "every engine's state": () => ({ path: "/readyz?verbose" }),
};

const sizeOf = ({ path = "", body = "", headers = {} }: Kind): number =>
  path.length + body.length + Object.entries(headers).flat().join(": \r\n").length;

const send = async ({ url }: RunningProcess, { path, body, headers }: Kind): Promise<void> => {
  const response = await fetch(url + (path ?? "/v1/chat/completions"), {
    ...(body !== undefined && { method: "POST", body }),
    headers: { "content-type": "application/json", ...headers },
  });
  await response.arrayBuffer();
};

/** Seconds of processors that a process has used. */
const cpuSeconds = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/stat`, "utf8");
  const [user, system] = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return ((user ?? 0) + (system ?? 0)) / 100;
};

/** Milliseconds of processors that each of many requests takes. */
const cpuMs = async (router: RunningProcess, make: (nth: number) => Kind): Promise<number> => {
  const before = await cpuSeconds(router.child.pid);
  let sent = 0;
  const work = async (): Promise<void> => {
    while (sent < MANY) await send(router, make((sent += 1)));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return (((await cpuSeconds(router.child.pid)) - before) / MANY) * 1000;
};

/** Memory that each of many requests at once takes at the most, with what is kept for later ones. */
const memoryKiB = async (router: RunningProcess, make: (nth: number) => Kind): Promise<number> => {
  const resident = async (): Promise<number> => (await residentKiB(router.child.pid)) ?? 0;
  const before = await resident();
  let most = before;
  const asking = Promise.all(Array.from({ length: HELD }, async (_, nth) => send(router, make(-nth))));
  while (Bun.peek.status(asking) === "pending") {
    most = Math.max(most, await resident());
    await Bun.sleep(20);
  }
  await asking;
  return (most - before) / HELD;
};

// What a process uses is read from /proc.
test.skipIf(process.platform !== "linux")(
  "no request below 10 KiB takes more than a mebibyte, or a hundred times what an ordinary one takes of a processor",
  async () => {
    await using parts = new AsyncDisposableStack();
    let answerMs = 0;
    const urls: string[] = [];
    for (let count = 0; count < ENGINES; count += 1) {
      const answer = (socket: Socket): unknown => setTimeout(() => socket.write(rawAnswer("{}")), answerMs);
      urls.push(parts.use(await startRawEngine(answer)).url);
    }
    const backends = staticArgs(urls.map((url) => ["m", url] as const));
    const router = parts.use(
      await startRouterProcess([...backends, "--routing-logic=cacheaware", "--disable-health-check"]),
    );
    await cpuMs(router, () => ORDINARY);
    const ordinaryMs = await cpuMs(router, () => ORDINARY);
    const costs: { readonly what: string; readonly shares: number; readonly kib: number }[] = [];
    for (const [what, make] of Object.entries(KINDS)) {
      expect(sizeOf(make(MANY))).toBeLessThan(MOST_BYTES);
      answerMs = 0;
      const shares = (await cpuMs(router, make)) / ordinaryMs;
      answerMs = HELD_MS;
      costs.push({ what, shares, kib: await memoryKiB(router, make) });
    }
    const told = costs.map(
      ({ what, shares, kib }) => `${what} ${shares.toFixed(1)} x, ${kib.toFixed(0)} KiB`,
    );
    console.info(`an ordinary request takes ${ordinaryMs.toFixed(2)} ms of a processor;\n${told.join("\n")}`);
    expect(costs.filter(({ shares, kib }) => shares > MOST_SHARES || kib > MOST_KIB)).toEqual([]);
  },
  180_000,
);
