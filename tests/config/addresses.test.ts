import { expect, test } from "bun:test";
import { parseRanges } from "../../src/config/addresses.ts";

const { contains, refusals } = parseRanges(["10.0.0.0/8", "192.168.1.7", "fd00::/8", "::1", "172.16.0.0/12"]);

test.each(["10.0.0.1", "10.255.255.255", "192.168.1.7", "fd12::5", "::1", "172.31.0.1"])(
  "%s is within",
  (address) => {
    expect(contains(address)).toBe(true);
  },
);

test.each([
  "11.0.0.1",
  "192.168.1.8",
  "fe80::1",
  "::2",
  "172.32.0.1",
  "",
  "x",
  "10.0.0",
  "10.0.0.1, 11.0.0.1",
])("%p is not", (address) => {
  expect(contains(address)).toBe(false);
});

test("what is no range is said, with how to write one", () => {
  expect(refusals).toEqual([]);
  const wrong = ["10.0.0.0/33", "fd00::/129", "10.0.0", "proxy", "", "10.0.0.0/x", "10.0.0.0/8/8"];
  expect(parseRanges(wrong).refusals).toEqual(
    wrong.map((text) => `"${text}" is no address and no range of them; write it like 10.0.0.0/8 or fd00::/8`),
  );
});
