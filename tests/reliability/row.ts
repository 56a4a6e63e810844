/** Something that the router promises, or a fault with what the router makes of it. */
export interface Row {
  readonly what: string;
  /** Tests that show it, as `file: part of a name`, the files within tests/. */
  readonly tests: readonly string[];
  /** What no test shows, and why; absent where nothing is missing. */
  readonly missing?: string;
}
