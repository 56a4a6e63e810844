import { describe, expect, test } from "bun:test";
import { parse, problemsOf } from "./given.ts";

describe.each(["disaggregated_prefill", "disaggregated_prefill_orchestrated"])("%s", (logic) => {
  const argv = (...labels: readonly string[]) => [
    "--service-discovery=static",
    "--static-backends=http://a,http://b",
    "--static-models=m,m",
    `--routing-logic=${logic}`,
    ...labels,
  ];

  test("is refused without labels, in a sentence for each", () => {
    expect(problemsOf(argv())).toEqual([
      "--routing-logic: Labels of the engines that prefill must be provided for disaggregated routing; give --prefill-model-labels.",
      "--routing-logic: Labels of the engines that decode must be provided for disaggregated routing; give --decode-model-labels.",
    ]);
  });

  test("is refused with a label that means both", () => {
    const labels = ["--prefill-model-labels=p,x", "--decode-model-labels=x", "--static-model-labels=p,x"];
    expect(problemsOf(argv(...labels))).toEqual([
      '--routing-logic: The label "x" is in --prefill-model-labels and in --decode-model-labels; give each in one of them.',
    ]);
  });

  test.each([
    ["no backend has any", []],
    ["a backend's label only contains one", ["--static-model-labels=prefill-1,d"]],
  ])("is refused where %s", (_what, labels) => {
    const roles = ["--prefill-model-labels=prefill", "--decode-model-labels=d"];
    expect(problemsOf(argv(...roles, ...labels))[0]).toBe(
      "--static-model-labels: No backend has a label of --prefill-model-labels (prefill); give each backend its label, in the same order",
    );
  });

  test("warns of a backend that has neither label", () => {
    const { warnings } = parse([
      "--service-discovery=static",
      "--static-backends=http://a,http://b,http://c,http://d",
      "--static-models=m,m,m,m",
      `--routing-logic=${logic}`,
      "--prefill-model-labels=p",
      "--decode-model-labels=d",
      "--static-model-labels=p,d,,prefill",
    ]);
    expect(warnings).toEqual(
      ["http://c", "http://d"].map(
        (url) =>
          `${url} gets no requests: its label is neither in --prefill-model-labels nor in --decode-model-labels`,
      ),
    );
  });
});
