import { type Context, Hono } from "hono";
import { RouterError } from "../core/errors.ts";
import type { Admission } from "../admission/admission.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { ReadBody } from "../proxy/body.ts";
import { readCall } from "../proxy/call.ts";
import type { Client } from "../proxy/client.ts";
import type { Explain } from "./explain.ts";
import type { ControlCall } from "./engine-control.ts";
import { type Forwarded, pathOf } from "./forwarded.ts";
import type { HealthAnswers } from "./health.ts";
import { listEngines, listModels } from "./models.ts";
import { forwardedRoutes, passedThrough, passesThrough } from "./routes.ts";

/** What the gate knows of a request when it hands it to a route. */
export interface Admitted {
  readonly requestId: string;
  readonly client: Client;
}

/** What of the routes an app has: those of clients, those of who runs the router, or all. Health is always there. */
export type Surface = "all" | "clients" | "admin";

interface AppDeps {
  readonly fleet: Fleet;
  readonly aliases: ReadonlyMap<string, string>;
  readonly admission: Admission;
  readonly forwarded: Forwarded;
  readonly control: (call: ControlCall) => Promise<Response>;
  readonly healthAnswers: HealthAnswers;
  readonly metricsAnswer: () => Promise<Response>;
  readonly readBody: ReadBody;
  readonly version: string;
  readonly maxRequestBodyBytes: number;
  /** Absent where nobody may ask why an engine is chosen. */
  readonly explain?: Explain | undefined;
  /** Epoch seconds for the cards of models that no engine describes. */
  readonly createdAt: number;
}

type Env = { Bindings: Admitted };

/** Answers what the gate has admitted, with the request's id among the fields. */
export interface App {
  readonly fetch: (request: Request, admitted: Admitted) => Response | Promise<Response>;
}

const refuseMethod = (context: Context, allowed: readonly string[]): Response =>
  context.json({ detail: "Method Not Allowed" }, 405, { allow: allowed.join(", ") });

/** The table of routes. */
export const createApp = (surface: Surface, deps: AppDeps): App => {
  const { fleet, aliases, admission, forwarded, control, healthAnswers, metricsAnswer, version, createdAt } =
    deps;
  const { maxRequestBodyBytes: maxBodyBytes, readBody, explain } = deps;
  const app = new Hono<Env>();
  const isForClients = surface !== "admin";

  if (isForClients) {
    for (const route of forwardedRoutes)
      app.on(route.method, route.path, async (context) =>
        // A HEAD is taken for a GET here, which an engine would have to be asked for.
        context.req.raw.method === route.method
          ? forwarded(context.req.raw, context.env, route)
          : refuseMethod(context, [route.method]),
      );
    app.get("/v1/models", (context) => context.json(listModels(fleet, aliases, createdAt)));
  }

  if (surface !== "clients") {
    for (const action of ["sleep", "wake_up", "is_sleeping"] as const) {
      app.on(
        action === "is_sleeping" ? "GET" : "POST",
        `/${action}`,
        async ({ req, env: { requestId: id, client } }) => control({ id, action, request: req.raw, client }),
      );
    }
    app.get("/engines", (context) => context.json(listEngines(fleet)));
    app.get("/metrics", metricsAnswer);
    if (explain) {
      app.post("/debug/route", async (context) => {
        const { req, env } = context;
        const path = req.query("path") ?? "/v1/chat/completions";
        const arrival = { id: env.requestId, request: req.raw, path, isReplaySafe: () => true };
        const call = await admission.read(readCall({ ...arrival, maxBodyBytes, readBody }));
        return context.json(explain(call));
      });
    }
  }

  app.get("/version", (context) => context.json({ version }));
  app.get("/health", healthAnswers.health);
  app.get("/livez", healthAnswers.livez);
  app.get("/readyz", ({ req }) => healthAnswers.readyz(req.query("verbose") !== undefined));

  const methodsOf = (path: string): readonly string[] => [
    ...new Set(app.routes.filter((route) => route.path === path).map(({ method }) => method)),
  ];

  app.notFound(async (context) => {
    const { path, method } = context.req;
    const allowed = methodsOf(path);
    if (allowed.length > 0) {
      return refuseMethod(context, allowed);
    }
    if (isForClients && passesThrough(path)) {
      if (method !== "GET" && method !== "POST") return refuseMethod(context, ["GET", "POST"]);
      return forwarded(context.req.raw, context.env, passedThrough(method, path));
    }
    if (path.endsWith("/") && methodsOf(path.slice(0, -1)).length > 0) {
      return context.redirect(path.slice(0, -1) + new URL(context.req.url).search, 307);
    }
    throw new RouterError("not_found", "Not Found");
  });

  // Errors are turned into answers in one place, outside.
  app.onError((error) => {
    throw error;
  });

  const answer = async (request: Request, admitted: Admitted): Promise<Response> => {
    const response = await app.fetch(request, admitted);
    // What comes from engines has it already.
    if (!response.headers.has("x-request-id")) response.headers.set("x-request-id", admitted.requestId);
    return response;
  };

  // Nearly every request is for one of these, and for each the table would make a context first.
  const direct = new Map(isForClients ? forwardedRoutes.map((route) => [route.path, route]) : []);
  return {
    fetch: (request, admitted) => {
      const route = direct.get(pathOf(request.url));
      return route?.method === request.method
        ? forwarded(request, admitted, route)
        : answer(request, admitted);
    },
  };
};
