/** What the caches of candidates are likely to hold of a prompt. */
export interface Held {
  /** Bytes of its blocks, in the order of the candidates. */
  readonly bytes: Int32Array;
  /** The most that one of them holds. */
  readonly most: number;
}

/** The place of an engine that the prefix index does not have. */
export const NOWHERE = -1;

/** Finds what candidates at these places hold among what all places hold; to be read before it is asked again. */
export const createHeldBytes = () => {
  let bytes = new Int32Array();
  return (places: Int32Array, matched: Int32Array): Held => {
    if (bytes.length !== places.length) bytes = new Int32Array(places.length);
    let most = 0;
    for (let index = 0; index < bytes.length; index += 1) {
      const own = matched[places[index] ?? NOWHERE] ?? 0;
      bytes[index] = own;
      if (own > most) most = own;
    }
    return { bytes, most };
  };
};
