import { expect, test } from "bun:test";
import { parsePod, readPod } from "../../src/discovery/pods.ts";
import { parseEndpoints, parseService, readService } from "../../src/discovery/services.ts";
import { eventsOf, itemsOf } from "../kubernetes/recordings.ts";

const tell = (value: unknown): string => {
  const parsed = parsePod(value);
  if (!parsed) return "no pod";
  const { name, label, url, reason, isMarkedAsleep } = readPod(parsed, 8000);
  return `${name} ${label} ${url ?? reason}${isMarkedAsleep ? ", asleep" : ""}`;
};

test("the pods of a real list are engines, or it is said why they are none", () => {
  expect(itemsOf("pods-list").map(tell)).toEqual([
    "vllm-opt125m-0 opt-125m http://10.244.1.11:8000",
    "vllm-opt125m-1 opt-125m http://10.244.1.12:8000",
    "vllm-opt125m-2 opt-125m http://10.244.2.13:8000",
    "vllm-opt125m-3 llama-3-8b http://10.244.2.14:8000",
    "vllm-opt125m-4 llama-3-8b http://10.244.3.15:8000",
    "vllm-opt125m-5 opt-125m it is not ready",
    "vllm-opt125m-6 opt-125m it is not ready",
  ]);
});

test("the recorded life of two pods is that of two engines", () => {
  const lives = new Map<string, string[]>();
  for (const { type, object } of eventsOf("watch-pods")) {
    const { name } = object.metadata;
    const life = lives.get(name) ?? [];
    lives.set(name, life);
    const told = type === "DELETED" ? "gone" : tell(object).replace(`${name} `, "");
    if (type !== "BOOKMARK" && life.at(-1) !== told) life.push(told);
  }
  expect(lives.get("vllm-a-0")).toEqual([
    "opt-125m it is not ready",
    "opt-125m http://10.244.1.21:8000",
    "gone",
    "opt-125m it is not ready",
    "opt-125m http://10.244.1.21:8000",
    "opt-350m http://10.244.1.21:8000",
    "opt-350m it is terminating",
    "gone",
    "opt-125m it is not ready",
    "opt-125m http://10.244.1.31:8000",
    "opt-125m it is terminating",
    "gone",
  ]);
  expect(lives.get("vllm-b-0")).toEqual([
    "llama-3-8b it is not ready",
    "llama-3-8b http://10.244.2.22:8000",
    "llama-3-8b http://10.244.2.22:8000, asleep",
    "llama-3-8b http://10.244.2.22:8000",
    "llama-3-8b it is not ready",
    "llama-3-8b http://10.244.2.22:8000",
    "llama-3-8b it is terminating",
    "gone",
  ]);
});

test("a service takes requests while its recorded Endpoints have an address", () => {
  const service = parseService({
    metadata: { name: "vllm-opt125m", uid: "a", resourceVersion: "1" },
    spec: { ports: [{ port: 80 }], clusterIP: "10.96.19.119" },
  });
  const told = [...itemsOf("endpoints-list"), ...eventsOf("endpoints-watch").map(({ object }) => object)]
    .filter(({ metadata }) => metadata.name === "vllm-opt125m")
    .map((object) => service && readService(service, parseEndpoints(object), 80))
    .map((engine) => engine?.url ?? engine?.reason);
  const [up, down] = ["http://vllm-opt125m:80", "no pod behind it is ready"];
  expect(told).toEqual([down, up, up, up, up, down, down]);
});
