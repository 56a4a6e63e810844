import * as v from "valibot";
import type { Outcome } from "./check.ts";

const Advisories = v.record(
  v.string(),
  v.array(v.object({ severity: v.string(), title: v.string(), url: v.string() })),
);

/** What is known against the packages in use. */
export interface Judgement {
  readonly isGood: boolean;
  readonly lines: readonly string[];
}

const parseAdvisories = (text: string): v.InferOutput<typeof Advisories> | undefined => {
  try {
    const parsed = v.safeParse(Advisories, JSON.parse(text));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
};

/**
 * Judges what `bun audit --json --audit-level=high` left behind. A registry that cannot be asked is said and fails
 * nothing: it says nothing about the packages.
 */
export const judgeAudit = ({ exitCode, output }: Outcome): Judgement => {
  const found = parseAdvisories(output);
  if (found === undefined)
    return {
      isGood: true,
      lines: [`Nobody could be asked for advisories: ${output.trim() || `exit status ${exitCode}`}`],
    };
  const lines = Object.entries(found).flatMap(([name, advisories]) =>
    advisories.map(({ severity, title, url }) => `${severity} ${name}: ${title} (${url})`),
  );
  return {
    isGood: exitCode === 0,
    lines: lines.length > 0 ? lines : ["No advisory is known for any package."],
  };
};
