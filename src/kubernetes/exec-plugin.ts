import type { Clock } from "../core/clock.ts";
import type { RunProgram } from "../core/run-program.ts";
import { KubeError } from "./kube-error.ts";

/** `users[].user.exec` of a kubeconfig, as far as it counts here. */
export interface ExecConfig {
  readonly apiVersion?: string;
  readonly command?: string;
  readonly args?: readonly string[] | null;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null;
  readonly installHint?: string;
}

/** What a plugin has given: a token, a certificate with its key, or both. */
export interface ExecCredential {
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
}

const TIMEOUT_MS = 30_000;
/** What expires so soon is asked for anew, since a request takes its time. */
const EARLY_MS = 10_000;

const parseStatus = (text: string) => {
  const { status } = JSON.parse(text) as {
    readonly status?: Readonly<Record<string, string | undefined>>;
  };
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status ?? {};
  if (token === undefined && (cert === undefined || key === undefined)) return undefined;
  return {
    credential: {
      ...(token !== undefined && { token }),
      ...(cert !== undefined && key !== undefined && { cert, key }),
    } as ExecCredential,
    expiresAt: expirationTimestamp === undefined ? undefined : Date.parse(expirationTimestamp),
  };
};

interface ExecDeps {
  readonly run: RunProgram;
  readonly clock: Clock;
  /** What the plugin inherits. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Asks the credential plugin of a kubeconfig (client.authentication.k8s.io), once for as long as its answer is
 * valid, and once for all that ask at the same time. It gets no standard input and no terminal, and it is killed
 * when it takes too long; client-node does neither, and hands no KUBERNETES_EXEC_INFO to it.
 */
export const createExecPlugin = (
  { apiVersion = "client.authentication.k8s.io/v1", command, args, env, installHint }: ExecConfig,
  { run, clock, environment }: ExecDeps,
): (() => Promise<ExecCredential>) => {
  let answer: Promise<NonNullable<ReturnType<typeof parseStatus>>> | undefined;
  let expiresAt: number | undefined;

  const ask = async () => {
    if (command === undefined) throw new KubeError("exec of the kubeconfig names no command");
    const info = { apiVersion, kind: "ExecCredential", spec: { interactive: false } };
    try {
      const given = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
      const text = await run({
        command,
        args: args ?? [],
        env: { ...environment, ...given, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
        timeoutMs: TIMEOUT_MS,
      });
      const parsed = parseStatus(text);
      if (!parsed) throw new Error("it printed neither a token nor a certificate with its key");
      ({ expiresAt } = parsed);
      return parsed;
    } catch (cause) {
      answer = undefined;
      // What it has printed may hold a credential: the parser's message quotes it.
      const why = cause instanceof SyntaxError ? "it printed no JSON" : (cause as Error).message;
      const hint = installHint === undefined ? "" : `; ${installHint}`;
      throw new KubeError(`the credential plugin ${command} of the kubeconfig failed: ${why}${hint}`, {
        cause: cause instanceof SyntaxError ? undefined : cause,
      });
    }
  };

  return async () => {
    if (expiresAt !== undefined && expiresAt - EARLY_MS <= clock.now()) {
      answer = undefined;
      expiresAt = undefined;
    }
    answer ??= ask();
    return (await answer).credential;
  };
};
