import * as v from "valibot";
import { type EngineObject, describeMetadata, metadataSchema } from "./engine-object.ts";

const serviceSchema = v.object({
  metadata: metadataSchema,
  spec: v.object({
    clusterIP: v.optional(v.string(), ""),
    ports: v.optional(v.nullable(v.array(v.object({ port: v.number() })))),
    selector: v.optional(v.nullable(v.record(v.string(), v.string()))),
  }),
});

const endpointsSchema = v.object({
  metadata: metadataSchema,
  subsets: v.optional(
    v.nullable(v.array(v.object({ addresses: v.optional(v.nullable(v.array(v.unknown()))) }))),
  ),
});

/** The parts of a service that matter here, as the API server sends them. */
export type Service = v.InferOutput<typeof serviceSchema>;

/** The addresses behind a service, which has the same name. */
export type ServiceEndpoints = v.InferOutput<typeof endpointsSchema>;

/** A service of a list or of an event; `undefined` where it is none. */
export const parseService = (value: unknown): Service | undefined => {
  const { success, output } = v.safeParse(serviceSchema, value);
  return success ? output : undefined;
};

/** Endpoints of a list or of an event; `undefined` where it is none. */
export const parseEndpoints = (value: unknown): ServiceEndpoints | undefined => {
  const { success, output } = v.safeParse(endpointsSchema, value);
  return success ? output : undefined;
};

/** A headless service has no ports of its own: those of its pods are open. */
const hasPort = ({ spec }: Service, port: number): boolean =>
  spec.clusterIP === "None" || (spec.ports ?? []).some((open) => open.port === port);

const refusalOf = (service: Service, endpoints: ServiceEndpoints | undefined, port: number) => {
  if (!hasPort(service, port)) return `it has no port ${port}`;
  const isReady = endpoints?.subsets?.some(({ addresses }) => (addresses ?? []).length > 0) ?? false;
  return isReady ? undefined : "no pod behind it is ready";
};

/** A service as an engine: it takes requests while some pod behind it is ready. */
export const readService = (
  service: Service,
  endpoints: ServiceEndpoints | undefined,
  port: number,
): EngineObject => {
  const described = describeMetadata(service);
  const label = service.spec.selector?.["model"];
  const reason = refusalOf(service, endpoints, port);
  return {
    ...described,
    version: `${described.version} ${endpoints?.metadata.resourceVersion}`,
    ...(reason === undefined ? { url: `http://${described.name}:${port}` } : { reason }),
    ...(label !== undefined && { label }),
    canSleep: true,
  };
};
