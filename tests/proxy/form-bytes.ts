/** One part of a form as it is to stand in the bytes. */
export interface FormPart {
  /** Everything between the delimiter's line and the empty line. */
  readonly header: string;
  readonly content: Uint8Array | string;
}

/** A part with a simple name. */
export const field = (name: string, content: Uint8Array | string): FormPart => ({
  header: `Content-Disposition: form-data; name="${name}"`,
  content,
});

/** The bytes of a form (RFC 2046 section 5.1). */
export const formBytes = (boundary: string, parts: readonly FormPart[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(
    Buffer.concat([
      ...parts.flatMap(({ header, content }) => [
        Buffer.from(`--${boundary}\r\n${header}\r\n\r\n`),
        Buffer.from(content),
        Buffer.from("\r\n"),
      ]),
      Buffer.from(`--${boundary}--\r\n`),
    ]),
  );
