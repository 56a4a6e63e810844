type Labels = Readonly<Record<string, string>>;

/** A label selector of equalities and inequalities, and of labels that have to be there or not. */
export const parseLabelSelector = (selector: string): ((labels: Labels) => boolean) | undefined => {
  const requirements = selector.split(",").filter((requirement) => requirement !== "");
  const tests = requirements.map((requirement) => {
    const [, name = "", operator = "", value = ""] =
      /^([-\w./!]+)(?:(==|=|!=)([-\w.]*))?$/.exec(requirement) ?? [];
    if (name === "") return undefined;
    if (operator === "!=") return (labels: Labels) => labels[name] !== value;
    if (operator !== "") return (labels: Labels) => labels[name] === value;
    if (name.startsWith("!")) return (labels: Labels) => !(name.slice(1) in labels);
    return (labels: Labels) => name in labels;
  });
  if (tests.includes(undefined)) return undefined;
  return (labels) => tests.every((test) => test?.(labels) === true);
};
