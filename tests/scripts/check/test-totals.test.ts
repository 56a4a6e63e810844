import { describe, expect, test } from "bun:test";
import { closingLine, parseTestTotals } from "../../../scripts/check/test-totals.ts";

describe("parseTestTotals", () => {
  test("reads every count", () => {
    const output = `a.test.ts:
 9 pass
(fail) b

 12 pass
 3 skip
 1 todo
 2 fail
 34 expect() calls
Ran 18 tests across 3 files. [1.20s]
`;
    expect(parseTestTotals(output)).toEqual({ passed: 12, failed: 2, skipped: 4 });
  });

  test("an error outside of tests is a failure", () => {
    const output = " 1 pass\n 0 fail\n 2 errors\nRan 1 test across 2 files. [5.00ms]\n";
    expect(parseTestTotals(output)).toEqual({ passed: 1, failed: 2, skipped: 0 });
  });

  test("a run that broke off has no totals", () => {
    expect(parseTestTotals("bun test v1.4.5\n\na.test.ts:\n(pass) b\n")).toBeUndefined();
    expect(parseTestTotals("")).toBeUndefined();
  });
});

describe("closingLine", () => {
  test("names skipped tests only where there are any", () => {
    expect(closingLine({ passed: 3, failed: 0, skipped: 0 })).toBe("3 passed, 0 failed");
    expect(closingLine({ passed: 3, failed: 1, skipped: 2 })).toBe("3 passed, 1 failed, 2 skipped");
  });
});
