import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { parser } from "@prometheus-io/lezer-promql";
import { catalog } from "../../src/metrics/catalog.ts";
import { repository } from "../support/binary.ts";

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  }[];
}

const path = join(repository, "deploy/grafana/vllm-router.json");
const { panels } = (await Bun.file(path).json()) as Dashboard;
const queries = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => [title, expr, legendFormat] as const),
);

/** Every name of a kind in a query, and whether the query is one at all. */
const read = (expression: string) => {
  // Grafana fills these in.
  const text = expression.replaceAll("$__rate_interval", "5m").replaceAll("$job", ".*");
  const found: Record<"metrics" | "labels" | "errors", string[]> = { metrics: [], labels: [], errors: [] };
  parser.parse(text).iterate({
    enter: ({ name, type, from, to, node }) => {
      const word = text.slice(from, to);
      if (type.isError) found.errors.push(text.slice(Math.max(0, from - 20), to + 20));
      else if (name === "Identifier" && node.parent?.name === "VectorSelector") found.metrics.push(word);
      else if (name === "LabelName") found.labels.push(word);
    },
  });
  return found;
};

const rowOf = (metric: string): { readonly type: string; readonly labels: readonly string[] } | undefined => {
  const rows: Readonly<Record<string, { readonly type: string; readonly labels: readonly string[] }>> =
    catalog;
  const name = metric.replace(/_bucket$/, "");
  const row = rows[name];
  return name === metric || row?.type === "histogram" ? row : undefined;
};

describe("every query of the dashboard", () => {
  test("is there", () => {
    expect(queries.length).toBeGreaterThan(20);
  });

  test.each(queries)(
    "%s: %s asks for a metric that there is, by labels that it has",
    (_title, expr, legend) => {
      const { metrics, labels, errors } = read(expr);
      expect(errors).toEqual([]);
      expect(metrics).toHaveLength(1);
      const row = rowOf(metrics[0] ?? "");
      expect(row).toBeDefined();
      // Prometheus adds the job; a histogram has le.
      const known = new Set([...(row?.labels ?? []), "job", ...(row?.type === "histogram" ? ["le"] : [])]);
      expect(labels.filter((label) => !known.has(label))).toEqual([]);
      // Only what is grouped by is left to be shown.
      const grouped = new Set(/^\w+ by \(([^)]*)\)/.exec(expr)?.[1]?.split(", "));
      const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
      expect(new Set(shown)).toEqual(grouped);
      // A counter says nothing but by how much it grows.
      expect(expr.includes("rate(")).toBe(row?.type !== "gauge");
    },
  );

  test("that is none would be found", () => {
    expect(read("sum by (model (rate(x[5m]))").errors).not.toBeEmpty();
    expect(read("max by (colour) (vllm:no_such_metric)")).toEqual({
      metrics: ["vllm:no_such_metric"],
      labels: ["colour"],
      errors: [],
    });
    expect(rowOf("vllm:no_such_metric")).toBeUndefined();
    expect(rowOf("vllm_router_queue_depth_bucket")).toBeUndefined();
  });
});

test("no panel lies upon another", () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, nth) => `${x + (nth % w)} ${y + Math.floor(nth / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
});
