/**
 * Fields of a head by their names in lower case, the values of several lines of one name joined by commas (RFC 9110
 * section 5.3). A plain record, of which a lookup costs less than a call into the runtime.
 */
export type Fields = Readonly<Record<string, string>>;

/** A record to be filled, in which no name is there before: neither `constructor` nor `__proto__`. */
export const noFields = (): Record<string, string> => Object.create(null) as Record<string, string>;
