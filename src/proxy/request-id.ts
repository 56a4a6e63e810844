const ACCEPTABLE = /^[\x21-\x7e]{1,128}$/;

/**
 * The client's `x-request-id`, or a new UUID where there is none or it could not stand in a header or a log
 * line (anything but 1 to 128 visible ASCII characters).
 */
export const requestIdOf = (headers: Headers): string => {
  const given = headers.get("x-request-id");
  return given !== null && ACCEPTABLE.test(given) ? given : crypto.randomUUID();
};
