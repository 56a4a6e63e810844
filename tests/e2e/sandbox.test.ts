import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtBinary } from "../support/binary.ts";
import { startServing } from "../support/serving-process.ts";

// Processes start slowly on a busy machine.
setDefaultTimeout(30_000);

// The container without a container engine: the user, the rights and the files that the image gives, and no others.
const installed = "/usr/local/bin/vllm-router";

/** Root first becomes the image's user: the sandbox alone would leave its files root's. */
const asNobody =
  process.getuid?.() === 0 ? ["setpriv", "--reuid=65532", "--regid=65532", "--clear-groups"] : [];
const namespaces =
  "--unshare-user --uid 65532 --gid 65532 --unshare-pid --as-pid-1 --unshare-ipc --unshare-uts";
const sandbox = [
  ...asNobody,
  "bwrap",
  ...`${namespaces} --cap-drop ALL --die-with-parent --clearenv`.split(" "),
];

/** Whether sandboxes work here: bubblewrap is installed and the kernel lets it make namespaces. */
const hasSandbox = (() => {
  if (process.platform !== "linux" || Bun.which("bwrap") === null || Bun.which("ldd") === null) return false;
  return Bun.spawnSync([...sandbox, "--ro-bind", "/", "/", "true"]).success;
})();

describe.skipIf(!hasSandbox)("the executable in a sandbox (needs bubblewrap) with what the image has", () => {
  let folder: string;
  let command: readonly string[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sandbox-"));
    const program = join(folder, "vllm-router");
    await copyFile(await builtBinary(), program);
    await chmod(folder, 0o755);
    const ldd = await Bun.$`ldd ${program}`.text();
    const files = [...ldd.matchAll(/\s(\/\S+)\s/g)].map(([, path = ""]) => path);
    const binds = files.flatMap((path) => ["--ro-bind", path, path]);
    const mounts = ["--ro-bind", program, installed, "--proc", "/proc", "--dev", "/dev", "--dir", "/empty"];
    command = [...sandbox, ...binds, ...mounts, "--remount-ro", "/", "--chdir", "/empty", installed];
  });

  afterAll(() => rm(folder, { recursive: true }));

  /** The router among the children of bubblewrap, by its process id outside of the sandbox. */
  const routerPid = async (parent: number): Promise<number> =>
    Number.parseInt(await readFile(`/proc/${parent}/task/${parent}/children`, "utf8"), 10);

  test("serves and is healthy with a read-only root, as nobody, without any capability", async () => {
    await using router = await startServing({ command });
    expect((await fetch(`${router.url}/health`)).status).toBe(200);
    const pid = await routerPid(router.process.pid);
    expect(await readFile(`/proc/${pid}/mountinfo`, "utf8")).toMatch(/^\d+ \d+ \S+ \S+ \/ ro,/m);
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    if (asNobody.length > 0) expect(status).toMatch(/^Uid:(\s+65532){4}$/m);
    expect(status).toMatch(/^CapEff:\s*0+$/m);
    expect(status).toMatch(/^CapBnd:\s*0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s*1$/m);
    expect(status).toMatch(/^NSpid:\s*\d+\s+1$/m);

    const port = new URL(router.url).port;
    const healthcheck = Bun.spawn([...command, "healthcheck", "--port", port], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    expect(await healthcheck.exited).toBe(0);
  });

  test("as process 1 it lets a request end on SIGTERM, then ends with status 0", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Response>();
    using engine = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => {
        if (!request.url.endsWith("/v1/chat/completions")) return new Response();
        asked.resolve();
        return answer.promise;
      },
    });
    const backends = `--static-backends ${engine.url.origin} --static-models m`;
    const flags = `--host 127.0.0.1 --port 0 --drain-delay-seconds 0 --service-discovery static ${backends} --routing-logic roundrobin`;
    await using router = await startServing({ command, args: flags.split(" ") });
    const response = fetch(`${router.url}/v1/chat/completions`, {
      method: "POST",
      body: JSON.stringify({ model: "m", messages: [] }),
    });
    await asked.promise;
    process.kill(await routerPid(router.process.pid), "SIGTERM");
    await router.printed(/Ending/);
    answer.resolve(Response.json({ answered: true }));
    expect(await (await response).json()).toEqual({ answered: true });
    expect(await router.process.exited).toBe(0);
  });
});
