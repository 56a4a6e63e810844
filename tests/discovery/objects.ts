/** What a test says of a pod; the rest is as in a pod that is ready. */
export interface PodSketch {
  readonly uid?: string;
  readonly ip?: string;
  /** Of each container; none where the kubelet has not spoken yet. */
  readonly ready?: readonly boolean[];
  readonly deletedAt?: string;
  readonly createdAt?: string;
  readonly version?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
}

/** A pod as the API server sends it, as far as anybody reads it. */
export const pod = (name: string, sketch: PodSketch = {}) => {
  const { uid = `uid-of-${name}`, ip = "10.0.0.1", ready = [true], labels = {} } = sketch;
  return {
    metadata: {
      name,
      uid,
      namespace: "default",
      resourceVersion: sketch.version ?? "1",
      creationTimestamp: sketch.createdAt ?? "2026-11-23T01:00:00Z",
      labels: { environment: "test", ...labels },
      ...(sketch.deletedAt !== undefined && { deletionTimestamp: sketch.deletedAt }),
    },
    spec: {
      containers: [
        {
          name: "vllm",
          command: sketch.command ?? ["vllm", "serve", "m"],
          ...(sketch.args && { args: sketch.args }),
        },
      ],
    },
    status: {
      phase: "Running",
      ...(ip !== "" && { podIP: ip, podIPs: [{ ip }] }),
      ...(ready.length > 0 && {
        containerStatuses: ready.map((isReady, index) => ({ name: `c${index}`, ready: isReady })),
      }),
    },
  };
};
