/** What a text that may hold a secret looks like; most lines do not, and are left alone after one look. */
const SUSPECT = /\b(?:bearer|basic|api[-_]?key|token|cookie|authorization)\b|:\/\/[^/\s]*@/i;

/** A credential of an HTTP authentication scheme; the scheme word stays, as in the reference. */
const CREDENTIALS = /\b(bearer|oauth|apikey)\s+[^\s,;"')]{4,}|\b(basic)\s+[A-Za-z0-9+/]{8,}={0,2}/gi;

/** The value of a field or parameter with a telling name. */
const NAMED =
  /\b((?:x-)?(?:api|auth|access)[-_]?(?:key|token)|authorization|(?:set-)?cookie)(["']?\s*[:=]\s*["']?)(?!(?:bearer|basic|token|digest|oauth|apikey)\b)[^\s,;"'&)]+/gi;

const USER_INFO = /:\/\/[^/\s@]*@/g;

/** Shortest secret that is looked for: a shorter one would be found in innocent words. */
const MIN_LENGTH = 4;

/**
 * Masks secrets in texts: the given ones wherever they stand, and whatever looks like a credential, a field that
 * holds one, or the user part of a URL.
 */
export const createRedact = (secrets: readonly string[] = []): ((text: string) => string) => {
  const known = secrets.filter((secret) => secret.length >= MIN_LENGTH);
  return (text) => {
    let masked = text;
    for (const secret of known) if (masked.includes(secret)) masked = masked.replaceAll(secret, "****");
    if (!SUSPECT.test(masked)) return masked;
    return masked.replace(CREDENTIALS, "$1$2 ****").replace(NAMED, "$1$2****").replace(USER_INFO, "://****@");
  };
};
