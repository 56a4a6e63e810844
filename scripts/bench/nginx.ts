import { join } from "node:path";

interface NginxOptions {
  readonly port: number;
  readonly engines: readonly string[];
  /** Holds everything that nginx writes. */
  readonly folder: string;
  /** A worker that is started as root otherwise runs as nobody, who has no access to the folder. */
  readonly isRoot: boolean;
}

/** nginx as a relay of streams at its best: one worker, kept connections, nothing buffered, nothing logged. */
export const nginxConfig = ({ port, engines, folder, isRoot }: NginxOptions): string => `
${isRoot ? "user root;" : ""}
daemon off;
worker_processes 1;
pid ${join(folder, "nginx.pid")};
error_log stderr error;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${join(folder, "body")};
  proxy_temp_path ${join(folder, "proxy")};
  fastcgi_temp_path ${join(folder, "fastcgi")};
  uwsgi_temp_path ${join(folder, "uwsgi")};
  scgi_temp_path ${join(folder, "scgi")};
  upstream engines {
    ${engines.map((engine) => `server ${new URL(engine).host};`).join("\n    ")}
    keepalive 1024;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    keepalive_requests 1000000000;
    client_max_body_size 16m;
    client_body_buffer_size 1m;
    location / {
      proxy_pass http://engines;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`;

/** Debian keeps it out of the PATH of ordinary users. */
export const findNginx = (path = process.env["PATH"] ?? ""): string | undefined =>
  Bun.which("nginx", { PATH: `${path}:/usr/local/sbin:/usr/sbin:/sbin` }) ?? undefined;
