/** What is read of every engine for each decision, a row for each: plain numbers are read sooner than objects. */
export interface PaceColumns {
  /** So many times as long as the mean engine takes. */
  readonly factors: Float64Array;
  /** Its work in a millisecond as it was last seen, and when. */
  readonly rates: Float64Array;
  readonly ratesAt: Float64Array;
}

/** The row of an engine, as long as anybody holds this. */
export interface EnginePace {
  readonly row: number;
  readonly showFactor: (factor: number) => void;
  readonly showRate: (perMs: number, at: number) => void;
}

/** Rows of engines that come and go. */
export interface EnginePaces {
  readonly open: () => EnginePace;
  /** To be asked for anew when an engine may have come. */
  readonly columns: () => PaceColumns;
}

const FIRST_ROWS = 64;

const grown = (column: Float64Array): Float64Array<ArrayBuffer> => {
  const larger = new Float64Array(2 * column.length);
  larger.set(column);
  return larger;
};

/** No rows at first. One is used again when nobody can write it any more, also no request that outlives its engine. */
export const createEnginePaces = (): EnginePaces => {
  let factors = new Float64Array(FIRST_ROWS);
  let rates = new Float64Array(FIRST_ROWS);
  let ratesAt = new Float64Array(FIRST_ROWS);
  let rows = 0;
  const vacant: number[] = [];
  const held = new FinalizationRegistry<number>((row) => vacant.push(row));

  return {
    open: () => {
      const row = vacant.pop() ?? rows;
      if (row === rows) rows += 1;
      if (row === factors.length) [factors, rates, ratesAt] = [grown(factors), grown(rates), grown(ratesAt)];
      const pace: EnginePace = {
        row,
        showFactor: (factor) => {
          factors[row] = factor;
        },
        showRate: (perMs, at) => {
          rates[row] = perMs;
          ratesAt[row] = at;
        },
      };
      held.register(pace, row);
      return pace;
    },
    columns: () => ({ factors, rates, ratesAt }),
  };
};
