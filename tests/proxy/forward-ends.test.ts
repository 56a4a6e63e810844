import { expect, test } from "bun:test";
import { type Behaviour, events, whole, failing, start, putOnWire } from "./started-forward.ts";

/** Resolves when something has come about that no event tells. */
const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await Bun.sleep(1);
};

test.each<[string, Behaviour, string]>([
  ["a whole answer", whole, "engine with its whole answer: done"],
  [
    "an error",
    async () => new Response("no", { status: 400, headers: { "content-length": "2" } }),
    "engine with its whole answer: refused",
  ],
  ["a failure", failing("ECONNRESET"), "engine before its answer: failed"],
])("%s leaves one line that says who ended the request and in which phase", async (_what, engine, end) => {
  const { send, lines } = start({ engines: [engine] });
  await send();
  const ends = lines.filter((line) => line.includes("was ended by"));
  expect(ends).toHaveLength(1);
  expect(ends[0]).toMatch(/ DEBUG: Request r-1 was ended by its /);
  expect(ends[0]).toContain(`its ${end} on http://e0 after `);
});

test("a client that leaves in the middle is named as the one who ended it", async () => {
  const { send, lines, leaving } = start({ engines: [events(["data: 1\n\n"], "hangs")] });
  await using wire = await putOnWire(await send());
  await wire.client.until(/data: 1/);
  leaving.abort(new Error("left"));
  wire.client.socket.destroy();
  await until(() =>
    lines.some((line) => line.includes("its client in the middle of its answer: client_closed")),
  );
});
