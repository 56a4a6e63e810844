/** One line of a Dockerfile, continuation lines joined. */
export interface Instruction {
  readonly name: string;
  /** What follows the name, flags such as `--from=build` included. */
  readonly text: string;
}

/** A part of a Dockerfile that begins with FROM. */
export interface Stage {
  readonly image: string;
  readonly instructions: readonly Instruction[];
}

/** Reads the stages of a Dockerfile. */
export const parseDockerfile = (text: string): readonly Stage[] => {
  const lines = text
    .replace(/^\s*#.*\n/gm, "")
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "");
  const stages: { image: string; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name = "", rest = ""] = line.trim().match(/^(\S+)\s+(.*)$/) ?? [];
    if (name.toUpperCase() === "FROM") {
      const image = rest.split(/\s+/).find((word) => !word.startsWith("--")) ?? "";
      stages.push({ image, instructions: [] });
    } else stages.at(-1)?.instructions.push({ name: name.toUpperCase(), text: rest });
  }
  return stages;
};
