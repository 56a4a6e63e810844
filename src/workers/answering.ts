import { RouterError } from "../core/errors.ts";
import type { Entrance } from "../http/entrance.ts";
import { errorResponse } from "../http/error-response.ts";
import type { Asked, Told } from "./messages.ts";

interface AnsweringDeps {
  /** The way in for what is let in already. */
  readonly inside: Entrance;
  /** Told of every answer when it is there. */
  readonly tell: (answer: Told) => void;
  /** Told of a defect of the router. */
  readonly onFault: (error: unknown) => void;
}

/** The requests of one worker that are answered here. */
export interface Answering {
  readonly ask: (asked: Asked) => void;
  /** The client of a request is gone. */
  readonly left: (id: number) => void;
  /** All clients are: their worker has ended. */
  readonly leftAll: () => void;
}

/** Answers the requests that a worker hands over. */
export const createAnswering = ({ inside, tell, onFault }: AnsweringDeps): Answering => {
  const underWay = new Map<number, AbortController>();

  const read = async ({ id }: Asked, response: Response): Promise<Told> => ({
    id,
    status: response.status,
    headers: [...response.headers],
    body: await response.arrayBuffer(),
  });

  const answer = async (asked: Asked, { signal }: AbortController): Promise<void> => {
    const { method, url, body, address } = asked;
    const headers = new Headers();
    // The worker's word on the id comes last, and is the only one.
    for (const [name, value] of asked.headers) headers.set(name, value);
    const request = new Request(url, { method, headers, body: body ?? null, signal });
    const response = await inside(request, {
      // The worker looks after the connection.
      timeout: () => {},
      requestIP: () => (address === undefined ? null : { address }),
    });
    const answered = await read(asked, response);
    if (!signal.aborted) tell(answered);
  };

  /** A client that is never answered would wait for as long as it likes. */
  const fail = async (asked: Asked, error: unknown): Promise<void> => {
    onFault(error);
    const { "x-request-id": id = "" } = Object.fromEntries(asked.headers);
    const internal = new RouterError("internal", "The router failed on this request.", { cause: error });
    tell(await read(asked, errorResponse(internal, id)));
  };

  return {
    ask: (asked) => {
      const leaving = new AbortController();
      underWay.set(asked.id, leaving);
      void answer(asked, leaving)
        .catch(async (error: unknown) => fail(asked, error))
        .finally(() => underWay.delete(asked.id));
    },
    left: (id) => underWay.get(id)?.abort(),
    leftAll: () => {
      for (const leaving of underWay.values()) leaving.abort();
    },
  };
};
