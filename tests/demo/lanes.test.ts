import { expect, test } from "bun:test";
import { createLanes } from "../../src/demo/lanes.ts";

/** What a terminal shows after it was sent `output`: line feeds, carriage returns, and the two escapes of lanes. */
const screenAfter = (output: string): readonly string[] => {
  const lines = [""];
  let row = 0;
  for (const [part] of output.replaceAll("\u001b", "ESC").matchAll(/ESC\[A|ESC\[2K|\n|\r|[^E\n\r]+/g)) {
    if (part === "ESC[A") row -= 1;
    else if (part === "ESC[2K") lines[row] = "";
    else if (part === "\n") {
      row += 1;
      lines[row] ??= "";
    } else if (part !== "\r") lines[row] += part;
  }
  return lines;
};

const start = (columns: number, dress = (label: string) => label) => {
  let output = "before\n";
  const lanes = createLanes({ count: 2, columns, dress }, (text) => {
    output += text;
  });
  return { lanes, screen: () => screenAfter(output) };
};

test("each lane has its line, drawn anew at each change", () => {
  const { lanes, screen } = start(20);
  lanes.set(1, "b ", "two");
  expect(screen()).toEqual(["before", "", "b two", ""]);
  lanes.set(0, "a ", "one");
  lanes.set(1, "b ", "two and");
  expect(screen()).toEqual(["before", "a one", "b two and", ""]);
});

test("a text that is too long shows its end and leaves the last column free", () => {
  const { lanes, screen } = start(10);
  lanes.set(0, "a ", "123456789");
  expect(screen()[1]).toBe("a …456789");
});

test("a screen narrower than a label shows what fits of it", () => {
  const { lanes, screen } = start(4);
  lanes.set(0, "label ", "text");
  expect(screen()[1]).toBe("lab");
});

test("a dressed label counts as wide as it is without its dress", () => {
  const { lanes, screen } = start(10, (label) => `<${label}>`);
  lanes.set(0, "a ", "123456789");
  expect(screen()[1]).toBe("<a >…456789");
});

test("nothing is left of the lanes when they are disposed", () => {
  const { lanes, screen } = start(20);
  lanes.set(0, "a ", "one");
  lanes[Symbol.dispose]();
  expect(screen()).toEqual(["before", "", "", ""]);
});
