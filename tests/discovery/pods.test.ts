import { describe, expect, test } from "bun:test";
import { parsePod, readPod } from "../../src/discovery/pods.ts";
import { pod, type PodSketch } from "./objects.ts";

const read = (sketch: PodSketch, port = 8000) => {
  const parsed = parsePod(pod("vllm-0", sketch));
  return parsed && readPod(parsed, port);
};

describe("a pod takes requests", () => {
  test.each<[string, PodSketch, string]>([
    ["when its only container is ready", { ip: "10.1.2.3" }, "http://10.1.2.3:8000"],
    ["when all of its containers are", { ready: [true, true] }, "http://10.0.0.1:8000"],
    ["at an address of IPv6", { ip: "fd00::7" }, "http://[fd00::7]:8000"],
  ])("%s", (_when, sketch, url) => {
    expect(read(sketch)?.url).toBe(url);
  });

  test("at the port that is configured", () => {
    expect(read({}, 81)?.url).toBe("http://10.0.0.1:81");
  });
});

describe("a pod takes no requests", () => {
  test.each<[string, PodSketch, string]>([
    ["while one of its containers is not ready", { ready: [true, false] }, "it is not ready"],
    ["before the kubelet has said anything", { ready: [] }, "it is not ready"],
    ["without an address", { ip: "" }, "it has no address"],
    ["where clouds serve credentials", { ip: "169.254.169.254" }, "its address is link-local"],
    ["where they do in IPv6", { ip: "fd00:ec2::254" }, "its address is link-local"],
    ["at a link-local address of IPv6", { ip: "fe80::1" }, "its address is link-local"],
    [
      "when it is being deleted, although it is ready",
      { deletedAt: "2026-11-23T01:27:16Z" },
      "it is terminating",
    ],
  ])("%s", (_when, sketch, reason) => {
    expect(read(sketch)).toMatchObject({ reason });
    expect(read(sketch)).not.toHaveProperty("url");
  });
});

describe("the label of an engine", () => {
  test("is the pod's label model", () => {
    expect(read({ labels: { model: "opt-125m" } })?.label).toBe("opt-125m");
    expect(read({})).not.toHaveProperty("label");
  });
});

describe("sleep", () => {
  test.each<[string, PodSketch, boolean]>([
    ["the command has the flag", { command: ["vllm", "serve", "m", "--enable-sleep-mode"] }, true],
    ["the arguments have it", { command: [], args: ["serve", "--enable-sleep-mode"] }, true],
    [
      "a script of the shell has it",
      { command: ["sh", "-c", "exec vllm serve m --enable-sleep-mode"] },
      true,
    ],
    ["nothing is said of how it starts", { command: [] }, true],
    ["the flag is not there", {}, false],
    ["arguments without it follow the image's own command", { command: [], args: ["serve", "m"] }, false],
  ])("can be asked for where %s: %p", (_where, sketch, canSleep) => {
    expect(read(sketch)?.canSleep).toBe(canSleep);
  });

  test.each([
    ["true", true],
    ["false", false],
    ["", false],
  ])("is marked by the label sleeping: %p", (sleeping, isMarkedAsleep) => {
    expect(read({ labels: { sleeping } })?.isMarkedAsleep).toBe(isMarkedAsleep);
  });
});

describe("what is no pod", () => {
  test.each([undefined, null, 7, {}, { metadata: { name: "a" } }, { ...pod("a"), spec: undefined }])(
    "is nothing: %p",
    (value) => {
      expect(parsePod(value)).toBeUndefined();
    },
  );

  test("may lack or null whatever a server leaves out", () => {
    const { metadata } = pod("a");
    const { labels: _, creationTimestamp: __, ...bare } = metadata;
    expect(parsePod({ metadata: bare, spec: { containers: null } })).toBeDefined();
    const parsed = parsePod({ metadata: bare, spec: {}, status: { containerStatuses: null } });
    expect(parsed && readPod(parsed, 8000)).toMatchObject({ name: "a", createdAt: 0, canSleep: false });
  });
});
