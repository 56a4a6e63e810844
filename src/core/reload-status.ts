/** What came of the changes of the configuration file since the start. */
export interface ReloadStatus {
  readonly succeeded: number;
  readonly failed: number;
  /** Epoch milliseconds of the last change that was dealt with; absent before the first. */
  readonly lastAt?: number | undefined;
  /** Why the file as it is now is not what is in effect; absent while it is. */
  readonly error?: string | undefined;
}
