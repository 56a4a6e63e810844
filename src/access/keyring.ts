import { timingSafeEqual } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { digestOf, type NamedKey, type ParsedKeys } from "./keys.ts";

/** A file of keys, and what it held when it was last read. */
export interface KeyFile {
  readonly path: string;
  readonly keys: readonly NamedKey[];
}

/** Keys that clients may present. */
export interface AccessOptions {
  /** Those that were given themselves. */
  readonly keys: readonly NamedKey[];
  readonly files: readonly KeyFile[];
}

interface KeyringDeps {
  readonly clock: Pick<Clock, "after">;
  readonly log: Log;
  readonly readKeyFile: (path: string) => Promise<ParsedKeys>;
}

/** The keys as they are now. */
export interface Keyring extends AsyncDisposable {
  /** Name of the key that a request presents; `undefined` where it presents none that is known. */
  readonly nameOf: (headers: Headers) => string | undefined;
  /** Reads the files again. */
  readonly look: () => Promise<void>;
}

const LOOK_MS = 10_000;

const BEARER = /^bearer +(\S+)$/i;

/** What may be a key: `Authorization: Bearer`, as OpenAI's clients send it, and `x-api-key`, as Anthropic's do. */
const presented = (headers: Headers): readonly string[] => {
  const [, bearer] = BEARER.exec(headers.get("authorization") ?? "") ?? [];
  const field = headers.get("x-api-key");
  return [bearer, field ?? undefined].filter((key) => key !== undefined);
};

/**
 * Holds digests only, and compares with all of them in a time that tells nothing. Files are read again every ten
 * seconds, as secrets that Kubernetes mounts change in place; one that cannot be used changes nothing.
 */
export const createKeyring = (
  { keys, files }: AccessOptions,
  { clock, log, readKeyFile }: KeyringDeps,
): Keyring => {
  const inFiles = new Map(files.map((file) => [file.path, file.keys]));
  const complaints = new Map<string, string>();
  const gather = () =>
    [...keys, ...inFiles.values().toArray().flat()].map(({ name, digest }) => ({
      name,
      digest: Buffer.from(digest, "hex"),
    }));
  let all = gather();
  let isOver = false;
  let timer: Disposable | undefined;

  const find = (key: string): string | undefined => {
    const digest = digestOf(key);
    let found: string | undefined;
    for (const known of all) if (timingSafeEqual(known.digest, digest)) found = known.name;
    return found;
  };

  const read = async (path: string): Promise<void> => {
    const parsed = await readKeyFile(path);
    if (isOver) return;
    if ("refusals" in parsed) {
      const complaint = parsed.refusals.join("; ");
      if (complaints.get(path) !== complaint) log.error(`The keys of ${path} stay as they are: ${complaint}`);
      complaints.set(path, complaint);
      return;
    }
    complaints.delete(path);
    if (Bun.deepEquals(parsed.keys, inFiles.get(path), true)) return;
    inFiles.set(path, parsed.keys);
    all = gather();
    const count = parsed.keys.length;
    log.info(`The keys of ${path} have changed: ${count} key${count === 1 ? "" : "s"}`);
  };
  const look = async (): Promise<void> => {
    await Promise.all(files.map(async ({ path }) => read(path)));
  };
  let looking: Promise<void> = Promise.resolve();
  const schedule = (): void => {
    timer = clock.after(LOOK_MS, () => {
      looking = look().then(() => {
        if (!isOver) schedule();
      });
    });
  };
  if (files.length > 0) schedule();

  return {
    nameOf: (headers) => {
      for (const key of presented(headers)) {
        const name = find(key);
        if (name !== undefined) return name;
      }
      return undefined;
    },
    look,
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      timer?.[Symbol.dispose]();
      await looking;
    },
  };
};
