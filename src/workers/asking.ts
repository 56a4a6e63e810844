import type { Ending } from "../core/ending.ts";
import { reasonOf } from "../core/errors.ts";
import type { App } from "../http/app.ts";
import { pathOf } from "../http/forwarded.ts";
import { readsBody } from "../http/routes.ts";
import type { ReadBody } from "../proxy/body.ts";
import type { Asked, Told } from "./messages.ts";

interface AskingDeps {
  readonly ask: (asked: Asked) => void;
  /** The client of a request is gone. */
  readonly leave: (id: number) => void;
}

interface BodyLimits {
  readonly readBody: ReadBody;
  readonly maxBodyBytes: number;
}

/** The requests of a worker that the control plane answers. */
export interface Asking {
  /** Has requests answered; their bodies come by these limits. */
  readonly by: (limits: BodyLimits) => App["fetch"];
  /** What the control plane says to one of them; nothing where its client is gone. */
  readonly told: (answer: Told) => void;
}

/** Hands requests over, as they came, and waits for the answers as long as their clients do. */
export const createAsking = ({ ask, leave }: AskingDeps): Asking => {
  const waiting = new Map<number, (answer: Told) => void>();
  let last = 0;

  const answerTo = async (asked: Asked, signal: Ending): Promise<Told> => {
    if (signal.aborted) throw reasonOf(signal);
    const { promise, resolve, reject } = Promise.withResolvers<Told>();
    const { id } = asked;
    const abort = (): void => {
      leave(id);
      reject(reasonOf(signal));
    };
    waiting.set(id, resolve);
    signal.addEventListener("abort", abort);
    try {
      ask(asked);
      return await promise;
    } finally {
      waiting.delete(id);
      signal.removeEventListener("abort", abort);
    }
  };

  return {
    by:
      ({ readBody, maxBodyBytes }) =>
      async (request, { requestId, client }) => {
        const { method, url, headers } = request;
        const takesBody = method === "POST" && readsBody.has(pathOf(url));
        const body = takesBody ? await readBody(request, maxBodyBytes) : undefined;
        last += 1;
        const asked: Asked = {
          id: last,
          method,
          url,
          headers: [...headers, ["x-request-id", requestId]],
          body,
          address: client.address(),
        };
        // Whoever is asked may have to ask an engine, which thinks for longer than a connection may be silent.
        client.allowSilence();
        try {
          const { status, headers: fields, body: bytes } = await answerTo(asked, client.signal);
          return new Response(bytes, {
            status,
            headers: fields.map(([name, value]): [string, string] => [name, value]),
          });
        } finally {
          client.limitSilence();
        }
      },
    told: (answer) => waiting.get(answer.id)?.(answer),
  };
};
