/** Which header fields of an answer tell of the router. */
export interface AnswerFields {
  /** The id of the engine. */
  readonly endpoint: boolean;
  /** Why that engine. */
  readonly reason: boolean;
  /** The router's own share of the time. */
  readonly serverTiming: boolean;
}
