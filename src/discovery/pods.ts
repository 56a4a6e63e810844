import { BlockList, isIPv6 } from "node:net";
import * as v from "valibot";
import { type EngineObject, describeMetadata, metadataSchema } from "./engine-object.ts";

const words = v.optional(v.nullable(v.array(v.string())));

const podSchema = v.object({
  metadata: metadataSchema,
  spec: v.object({
    containers: v.optional(v.nullable(v.array(v.object({ name: v.string(), command: words, args: words })))),
  }),
  status: v.optional(
    v.object({
      podIP: v.optional(v.string(), ""),
      containerStatuses: v.optional(v.nullable(v.array(v.object({ ready: v.boolean() })))),
    }),
  ),
});

/** The parts of a pod that matter here, as the API server sends them. */
export type Pod = v.InferOutput<typeof podSchema>;

/** A pod of a list or of an event; `undefined` where it is none. */
export const parsePod = (value: unknown): Pod | undefined => {
  const { success, output } = v.safeParse(podSchema, value);
  return success ? output : undefined;
};

const SLEEP_FLAG = "--enable-sleep-mode";

/** An image may sleep by itself where nothing is said of how it starts. */
const canSleep = (containers: NonNullable<Pod["spec"]["containers"]>): boolean =>
  containers.some(({ name, command, args }) => {
    const given = [...(command ?? []), ...(args ?? [])];
    // A shell's script holds the whole command line in one word.
    return given.some((word) => word.includes(SLEEP_FLAG)) || (name === "vllm" && given.length === 0);
  });

/** `http://` with the host in brackets where it is an address of IPv6. */
const engineUrl = (host: string, port: number): string =>
  `http://${host.includes(":") ? `[${host}]` : host}:${port}`;

/** Where clouds answer whoever asks with the credentials of the machine: no engine is there. */
const metadataServices = new BlockList();
metadataServices.addSubnet("169.254.0.0", 16, "ipv4");
metadataServices.addSubnet("fe80::", 10, "ipv6");
metadataServices.addAddress("fd00:ec2::254", "ipv6");

const isMetadataService = (address: string): boolean =>
  metadataServices.check(address, isIPv6(address) ? "ipv6" : "ipv4");

const refusalOf = ({ metadata, status }: Pod): string | undefined => {
  const statuses = status?.containerStatuses ?? [];
  if (metadata.deletionTimestamp !== undefined) return "it is terminating";
  if (statuses.length === 0 || !statuses.every(({ ready }) => ready)) return "it is not ready";
  const address = status?.podIP ?? "";
  if (address === "") return "it has no address";
  return isMetadataService(address) ? "its address is link-local" : undefined;
};

/**
 * A pod as an engine. It takes requests while it has an address, all of its containers are ready and it is not
 * being deleted; phase and conditions count for nothing, as in the reference.
 */
export const readPod = (pod: Pod, port: number): EngineObject => {
  const reason = refusalOf(pod);
  const label = pod.metadata.labels["model"];
  return {
    ...describeMetadata(pod),
    ...(reason === undefined ? { url: engineUrl(pod.status?.podIP ?? "", port) } : { reason }),
    ...(label !== undefined && { label }),
    canSleep: canSleep(pod.spec.containers ?? []),
  };
};
