import { describe, expect, test } from "bun:test";
import { type ErrorCode, errorTable, RouterError } from "../../src/core/errors.ts";
import { asRouterError, errorResponse } from "../../src/http/error-response.ts";
import { createTestLog } from "../discovery/engines.ts";
import { createTestClock } from "../support/clock.ts";

const MESSAGE = "What is wrong.";

const formOf = (code: ErrorCode): unknown => {
  if (["invalid_request", "model_not_found", "no_endpoint"].includes(code)) return { error: MESSAGE };
  const detailed = ["not_found", "method_not_allowed", "prefill_unavailable", "decode_unavailable"];
  if (detailed.includes(code)) return { detail: MESSAGE };
  return { error: { message: MESSAGE, type: errorTable[code].type, param: null, code } };
};

describe.each(Object.keys(errorTable) as ErrorCode[])("the answer to %s", (code) => {
  const answer = () => errorResponse(new RouterError(code, MESSAGE, { cause: new Error("secret") }), "r-1");

  test("is JSON in the form that its clients read, with the status of the table and the request id", async () => {
    const response = answer();
    expect(response.status).toBe(errorTable[code].status);
    expect(response.headers.get("content-type")).toStartWith("application/json");
    expect(response.headers.get("x-request-id")).toBe("r-1");
    const text = await response.text();
    expect(JSON.parse(text)).toEqual(formOf(code));
    expect(text).not.toContain("secret");
  });
});

test("a body that was refused half-way ends its connection, and a refused method is told those that there are", () => {
  const headersOf = (code: ErrorCode) => errorResponse(new RouterError(code, MESSAGE), "r-1").headers;
  expect(headersOf("body_too_large").get("connection")).toBe("close");
  expect(headersOf("method_not_allowed").get("allow")).toBe("GET, POST");
  expect([...headersOf("invalid_request").keys()].sort()).toEqual(["content-type", "x-request-id"]);
});

test("client libraries are told when and whether to try again", () => {
  for (const code of ["no_endpoint", "upstream_unreachable"] as const) {
    const waiting = errorResponse(new RouterError(code, MESSAGE), "r-1").headers;
    const fields = ["retry-after", "retry-after-ms", "x-should-retry"];
    expect(fields.map((name) => waiting.get(name))).toEqual(["5", "5000", "true"]);
  }
  const advice = (isPointless: boolean) =>
    errorResponse(new RouterError("upstream_reset", MESSAGE, { isPointless }), "r-1").headers.get(
      "x-should-retry",
    );
  expect([advice(true), advice(false)]).toEqual(["false", null]);
});

describe("whatever was thrown", () => {
  const start = () => createTestLog(createTestClock());

  test("is passed on where its consequence is known, and nothing is logged", () => {
    const { log, lines } = start();
    const error = new RouterError("no_endpoint", MESSAGE);
    expect(asRouterError(error, "r-1", log)).toBe(error);
    expect(lines).toEqual([]);
  });

  test.each<[string, unknown]>([
    ["an error", new TypeError("secret: x is undefined")],
    ["a text", "secret"],
    ["nothing", undefined],
    ["an object", { secret: 1 }],
  ])("%s is a defect: logged under the request id, and shown to nobody", async (_what, thrown) => {
    const { log, lines } = start();
    const error = asRouterError(thrown, "r-1", log);
    expect([error.code, error.cause]).toEqual(["internal", thrown]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("ERROR: Request r-1 met a defect of the router");
    if (thrown instanceof Error) expect(lines[0]).toContain("error-response.test.ts");
    expect(await errorResponse(error, "r-1").text()).not.toContain("secret");
  });
});
