import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { boundaryOf, formFieldSpans } from "../../src/proxy/multipart.ts";
import { field, formBytes, type FormPart } from "./form-bytes.ts";

const contentsOf = (bytes: Uint8Array, boundary: string): Record<string, Buffer> =>
  Object.fromEntries(
    [...formFieldSpans(bytes, boundary)].map(([name, { start, end }]) => [
      name,
      Buffer.from(bytes.subarray(start, end)),
    ]),
  );

const textsOf = (bytes: Uint8Array, boundary: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(contentsOf(bytes, boundary)).map(([name, content]) => [name, String(content)]),
  );

describe("the boundary", () => {
  test.each([
    ["multipart/form-data; boundary=abc", "abc"],
    ["Multipart/Form-Data;boundary=abc;charset=utf-8", "abc"],
    ["multipart/form-data; charset=utf-8; BOUNDARY=a'()+_,-./:=?b", "a'()+_,-./:=?b"],
    ['multipart/form-data; boundary="with space; and=more"', "with space; and=more"],
    ['multipart/form-data; charset="; boundary=no"; boundary=yes', "yes"],
    [`multipart/form-data; boundary=${"x".repeat(90)}`, "x".repeat(90)],
  ])("of %p is %p", (contentType, boundary) => {
    expect(boundaryOf(contentType)).toBe(boundary);
  });

  test.each([
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary=""',
    "multipart/form-data; xboundary=abc",
    "multipart/mixed; boundary=abc",
    "application/json; boundary=abc",
    "",
  ])("of %p is unknown", (contentType) => {
    expect(boundaryOf(contentType)).toBeUndefined();
  });
});

/** A file that holds the form's own delimiter has no single meaning. */
const holdsDelimiter = (bytes: Uint8Array, boundary: string): boolean => {
  const text = `${Buffer.from(bytes).toString("latin1")}\r\n--${boundary}\r\n`;
  return ["\r\n", "--"].some((next) => {
    const at = text.indexOf(`\r\n--${boundary}${next}`);
    return at >= 0 && at < bytes.length;
  });
};

/** Bytes among which a boundary's own characters are frequent. */
const content = (boundary: string): fc.Arbitrary<Uint8Array> =>
  fc
    .array(
      fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        fc
          .constantFrom(
            "\r\n",
            "--",
            boundary,
            `\r\n--${boundary}x`,
            `\r\n--${boundary}-`,
            "\r\n\r\n",
            "name=",
          )
          .map((text) => new Uint8Array(Buffer.from(text))),
      ),
      { maxLength: 8 },
    )
    .map((pieces) => new Uint8Array(Buffer.concat(pieces)))
    .filter((bytes) => !holdsDelimiter(bytes, boundary));

describe("the fields of a form", () => {
  test("lie where they were written, whatever the bytes of the files", () => {
    const boundary = fc.string({
      unit: fc.constantFrom("a", "b", "c", "X", "0", "'", "(", "+", "_", ",", "-", ".", "/", ":", "=", "?"),
      minLength: 1,
      maxLength: 70,
    });
    const form = boundary.chain((text) =>
      fc.tuple(
        fc.constant(text),
        fc.uniqueArray(fc.tuple(fc.string({ unit: fc.constantFrom("a", "b", "[", "]") }), content(text)), {
          selector: ([name]) => name,
          maxLength: 5,
        }),
      ),
    );
    fc.assert(
      fc.property(form, fc.constantFrom("", "preamble\r\n", "\r\n"), ([text, fields], preamble) => {
        const bytes = formBytes(
          text,
          fields.map(([name, value]) => field(name, value)),
        );
        const whole = new Uint8Array(Buffer.concat([Buffer.from(preamble), bytes]));
        const expected = Object.fromEntries(fields.map(([name, value]) => [name, Buffer.from(value)]));
        expect(contentsOf(whole, text)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test("are those that the runtime's own form encoder writes", async () => {
    const form = new FormData();
    form.set("model", "org/model:7b");
    form.set(
      "file",
      new Blob([new Uint8Array(Array.from({ length: 256 }, (_, index) => index))]),
      "a;name=x.wav",
    );
    form.set("language", "日本語");
    const encoded = new Response(form);
    const boundary = boundaryOf(encoded.headers.get("content-type") ?? "") ?? "";
    const contents = contentsOf(await encoded.bytes(), boundary);
    expect(Object.keys(contents)).toEqual(["model", "file", "language"]);
    expect([String(contents["model"]), String(contents["language"])]).toEqual(["org/model:7b", "日本語"]);
    expect(contents["file"]).toHaveLength(256);
  });

  test.each<[string, FormPart[], Record<string, string>]>([
    ["a repeated name: the last, as vLLM reads it", [field("a", "1"), field("a", "2")], { a: "2" }],
    ["an empty field", [field("a", "")], { a: "" }],
    ["a part without a name", [{ header: "Content-Type: text/plain", content: "x" }], {}],
    ["a part without any header", [{ header: "", content: "x" }, field("a", "1")], { a: "1" }],
    [
      "a bare name",
      [{ header: "content-disposition:form-data;name=a;filename=b", content: "x" }],
      { a: "x" },
    ],
    [
      "a name after other header lines, in any case",
      [{ header: "Content-Type: a/b\r\nCONTENT-DISPOSITION: Form-Data; NAME=a", content: "x" }],
      { a: "x" },
    ],
    [
      "a filename that plays a name",
      [{ header: 'Content-Disposition: form-data; filename="x; name=model"; name="file"', content: "x" }],
      { file: "x" },
    ],
    [
      "a filename that quotes a quote",
      [
        {
          header: 'Content-Disposition: form-data; filename="\\"; name=model; \\""; name="file"',
          content: "x",
        },
      ],
      { file: "x" },
    ],
    ["another disposition", [{ header: 'Content-Disposition: attachment; name="a"', content: "x" }], {}],
  ])("%s", (_what, parts, expected) => {
    expect(textsOf(formBytes("b", parts), "b")).toEqual(expected);
  });

  test("an empty form has none, and what follows the end is nothing", () => {
    expect(textsOf(new Uint8Array(Buffer.from("--b--")), "b")).toEqual({});
    const tail = "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--b--";
    const bytes = Buffer.concat([formBytes("b", [field("a", "1")]), Buffer.from(tail)]);
    expect(textsOf(new Uint8Array(bytes), "b")).toEqual({ a: "1" });
  });
});

describe("what is not a complete form", () => {
  test.each([
    "",
    "{}",
    "--b",
    "--b\r\n",
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n--b--',
    '--b\r\nContent-Disposition: form-data; name="a"\r\n--b--',
    '--b\r\nContent-Disposition: form-data; name="a"\r\n--b\r\nX: y\r\n\r\n1\r\n--b--',
    '--c\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--c--',
    '--b\nContent-Disposition: form-data; name="a"\n\n1\n--b--',
    `--b\r\nX: ${"x".repeat(9000)}\r\n\r\n1\r\n--b--`,
  ])("%p is a SyntaxError", (text) => {
    expect(() => formFieldSpans(new Uint8Array(Buffer.from(text)), "b")).toThrow(SyntaxError);
  });

  test("any cut of a form is a SyntaxError", () => {
    const bytes = formBytes("b", [field("model", "m"), field("file", "\r\n--\r\n")]);
    for (let end = 0; end < bytes.length - 4; end += 1)
      expect(() => formFieldSpans(bytes.subarray(0, end), "b")).toThrow(SyntaxError);
  });

  test("arbitrary bytes give spans within them or a SyntaxError, in linear time", () => {
    const piece = fc.constantFrom(
      "\r\n",
      "--",
      "b",
      "\r\n--b",
      "\r\n--b--",
      "\r\n\r\n",
      'Content-Disposition: form-data; name="a"',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const bytes = new Uint8Array(Buffer.from(`--b\r\n${pieces.join("")}`));
        try {
          for (const { start, end } of formFieldSpans(bytes, "b").values()) {
            expect(start).toBeLessThanOrEqual(end);
            expect(end).toBeLessThanOrEqual(bytes.length);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }),
      { numRuns: 1000 },
    );
    const hostile = new Uint8Array(Buffer.from("\r\n--bx".repeat(1_000_000)));
    const begin = performance.now();
    expect(() => formFieldSpans(hostile, "b")).toThrow(SyntaxError);
    expect(performance.now() - begin).toBeLessThan(2000);
  });
});
