// By name, so that bundling takes in this one field and not the whole file.
import { version as manifestVersion } from "../package.json";

/** The product's version, as in package.json; inlined where the code is bundled or compiled. */
export const version: string = manifestVersion;
