/** `"`, which begins and ends a string. */
export const QUOTE = 0x22;
/** `\`, which begins an escape. */
export const BACKSLASH = 0x5c;
/** `,` between members. */
export const COMMA = 0x2c;
/** `:` behind a name. */
export const COLON = 0x3a;
/** `[` */
export const OPEN_BRACKET = 0x5b;
/** `]` */
export const CLOSE_BRACKET = 0x5d;
/** `{` */
export const OPEN_BRACE = 0x7b;
/** `}` */
export const CLOSE_BRACE = 0x7d;
