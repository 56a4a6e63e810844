import type { Fields } from "./fields.ts";

/** Bytes of a body. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Who gets a body's pieces, from when it flows. */
export interface BodySink {
  /** Gets each piece when it comes; a promise while no more may come, which never rejects. */
  readonly take: (piece: Bytes) => Promise<unknown> | undefined;
  /** All of it has come. */
  readonly ended: () => void;
  /** It broke off, or what asked for it was ended. */
  readonly failed: (error: Error) => void;
}

/** A body that is still coming: it is read piece by piece, and then it flows. */
export interface AnswerBody {
  readonly read: () => Promise<
    { readonly done: false; readonly value: Bytes } | { readonly done: true; readonly value?: undefined }
  >;
  /** Hands over what has not been read, at once and as it comes; nobody reads any more. */
  readonly flow: (sink: BodySink) => void;
  /** Ends it: nobody gets anything of it any more. */
  readonly cancel: () => void;
}

/** An engine's answer of which nothing has gone downstream yet. */
export interface Answer {
  readonly status: number;
  /** The fields from end to end: none that belong to one connection. */
  readonly headers: Fields;
  /** Lines of Set-Cookie, the one field whose lines cannot be joined; absent where there are none. */
  readonly cookies?: readonly string[] | undefined;
  /** The whole body where it is short, otherwise its first piece. */
  readonly first: Bytes | undefined;
  /** The rest of the body; absent when `first` is all of it. */
  readonly rest?: AnswerBody | undefined;
}

/** Bodies of a known length up to this many bytes are taken whole: cheaper, and a cut one can still be replaced. */
export const WHOLE_BODY_LIMIT = 256 * 1024;

/** True for `text/event-stream`, with or without parameters. */
export const isEventStream = (headers: Fields): boolean =>
  /^text\/event-stream\s*(?:;|$)/i.test(headers["content-type"] ?? "");
