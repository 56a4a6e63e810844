/** Files and sockets that the process may have open. Lent by the platform; absent where they are not counted so. */
export interface Descriptors {
  readonly limit: number;
  /**
   * The number that the next one would get, or the limit where there is none left: so many are open at least, since
   * the lowest free number is given. Cheaper than to count them.
   */
  readonly next: () => number;
}
