interface HaproxyOptions {
  readonly port: number;
  readonly engines: readonly string[];
}

/** HAProxy as a relay at its best: one thread, kept connections on both sides, nothing logged. */
export const haproxyConfig = ({ port, engines }: HaproxyOptions): string => `
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option http-keep-alive
  option http-no-delay
  http-reuse always
  timeout connect 2s
  timeout client 60s
  timeout server 60s
listen engines
  bind 127.0.0.1:${port}
  balance roundrobin
  ${engines.map((engine, index) => `server engine${index} ${new URL(engine).host}`).join("\n  ")}
`;

/** Debian keeps it out of the PATH of ordinary users. */
export const findHaproxy = (path = process.env["PATH"] ?? ""): string | undefined =>
  Bun.which("haproxy", { PATH: `${path}:/usr/local/sbin:/usr/sbin:/sbin` }) ?? undefined;
