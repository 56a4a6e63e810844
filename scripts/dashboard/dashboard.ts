import { type Panel, rows } from "./panels.ts";

const datasource = { type: "prometheus", uid: "${datasource}" };
/** In columns of Grafana, of which there are 24. */
const PANEL = { w: 8, h: 7 } as const;
const ACROSS = 3;

const draw = ({ queries, unit, ...panel }: Panel, nth: number, top: number) => ({
  type: "timeseries",
  ...panel,
  datasource,
  gridPos: {
    x: (nth % ACROSS) * PANEL.w,
    y: top + Math.floor(nth / ACROSS) * PANEL.h,
    ...PANEL,
  },
  fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
  targets: queries.map(([expr, legendFormat], index) => ({
    refId: String.fromCodePoint(65 + index),
    datasource,
    expr,
    legendFormat,
  })),
});

const drawAll = (): readonly object[] => {
  const drawn: object[] = [];
  let y = 0;
  for (const [title, panels] of rows) {
    const gridPos = { x: 0, y, w: ACROSS * PANEL.w, h: 1 };
    drawn.push({ id: drawn.length + 1, type: "row", title, collapsed: false, gridPos });
    for (const [nth, panel] of panels.entries())
      drawn.push({ id: drawn.length + 1, ...draw(panel, nth, y + 1) });
    y += 1 + Math.ceil(panels.length / ACROSS) * PANEL.h;
  }
  return drawn;
};

/** deploy/grafana/vllm-router.json: a dashboard to import; asks for the data source and the routers' job. */
export const renderDashboard = (): string =>
  JSON.stringify(
    {
      uid: "vllm-router",
      title: "vllm-router",
      description: "Written by npm run docs.",
      tags: ["vllm"],
      schemaVersion: 39,
      editable: true,
      refresh: "30s",
      time: { from: "now-1h", to: "now" },
      templating: {
        list: [
          { name: "datasource", type: "datasource", query: "prometheus", label: "Data source" },
          {
            name: "job",
            type: "query",
            label: "Job",
            datasource,
            query: "label_values(vllm_router_build_info, job)",
            refresh: 2,
            includeAll: true,
            multi: true,
          },
        ],
      },
      panels: drawAll(),
    },
    undefined,
    2,
  );
