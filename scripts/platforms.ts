/** A platform that releases are built for. */
export interface Platform {
  /** Ends the names of archives and npm packages. */
  readonly name: string;
  readonly os: "linux" | "darwin" | "win32";
  readonly cpu: "x64" | "arm64";
  readonly libc?: "glibc" | "musl";
  /** The word of `bun build --target`. */
  readonly target: Bun.Build.CompileTarget;
  /** The npm package with the Bun that the executable is made from. */
  readonly runtime: string;
}

/** Every platform that releases are built for. */
export const platforms: readonly Platform[] = [
  {
    name: "linux-x64",
    os: "linux",
    cpu: "x64",
    libc: "glibc",
    target: "bun-linux-x64",
    runtime: "@oven/bun-linux-x64",
  },
  {
    name: "linux-arm64",
    os: "linux",
    cpu: "arm64",
    libc: "glibc",
    target: "bun-linux-arm64",
    runtime: "@oven/bun-linux-aarch64",
  },
  {
    name: "linux-x64-musl",
    os: "linux",
    cpu: "x64",
    libc: "musl",
    target: "bun-linux-x64-musl",
    runtime: "@oven/bun-linux-x64-musl",
  },
  {
    name: "linux-arm64-musl",
    os: "linux",
    cpu: "arm64",
    libc: "musl",
    target: "bun-linux-arm64-musl",
    runtime: "@oven/bun-linux-aarch64-musl",
  },
  {
    name: "darwin-x64",
    os: "darwin",
    cpu: "x64",
    target: "bun-darwin-x64",
    runtime: "@oven/bun-darwin-x64",
  },
  {
    name: "darwin-arm64",
    os: "darwin",
    cpu: "arm64",
    target: "bun-darwin-arm64",
    runtime: "@oven/bun-darwin-aarch64",
  },
  {
    name: "windows-x64",
    os: "win32",
    cpu: "x64",
    target: "bun-windows-x64",
    runtime: "@oven/bun-windows-x64",
  },
];

/** File name of the executable on a platform. */
export const executableName = (os: string): string => (os === "win32" ? "vllm-router.exe" : "vllm-router");

/** The npm package that carries the executable of a platform. */
export const packageName = (platform: Platform): string => `@vllm-router/${platform.name}`;

/** C library of the running process: absent where there is no choice. */
const hostLibc = (): Platform["libc"] => {
  if (process.platform !== "linux") return undefined;
  const { report } = process as { report: { excludeNetwork?: boolean; getReport: () => object } };
  // Without this the report asks the resolver for the name of every peer, which can take seconds.
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? "musl" : "glibc";
};

/** The platform that this process runs on, `undefined` when no release is built for it. */
export const hostPlatform = (): Platform | undefined => {
  const libc = hostLibc();
  return platforms.find(
    (platform) => platform.os === process.platform && platform.cpu === process.arch && platform.libc === libc,
  );
};
