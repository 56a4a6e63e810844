import type { EngineSet } from "./engine-set.ts";
import type { Follow, KubernetesOptions } from "./kubernetes.ts";
import {
  parseEndpoints,
  parseService,
  readService,
  type Service,
  type ServiceEndpoints,
} from "./services.ts";

/** Every service that is selected is an engine, while its Endpoints have an address. */
export const followServices = (
  { labelSelector, port }: Pick<KubernetesOptions, "labelSelector" | "port">,
  follow: Follow,
  engines: Pick<EngineSet, "replace" | "see" | "lose">,
) => {
  const services = new Map<string, Service>();
  const addresses = new Map<string, ServiceEndpoints>();
  const listed = new Set<string>();

  const replace = <T extends { readonly metadata: { readonly name: string } }>(
    what: string,
    map: Map<string, T>,
    objects: readonly T[],
  ): void => {
    map.clear();
    for (const object of objects) map.set(object.metadata.name, object);
    listed.add(what);
    if (listed.size < 2) return;
    // A service without Endpoints, ready or not, is what a list looks like that has lost them.
    const whole = services.values().filter(({ metadata: { name } }) => addresses.has(name));
    engines.replace(
      whole.map((service) => readService(service, addresses.get(service.metadata.name), port)).toArray(),
    );
  };
  const see = (name: string): void => {
    const service = services.get(name);
    if (service && listed.size === 2) engines.see(readService(service, addresses.get(name), port));
  };

  return [
    follow("services", {
      labelSelector,
      parse: parseService,
      onChange: (change) => {
        if (change.type === "replaced") return replace("services", services, change.objects);
        const { name } = change.object.metadata;
        if (change.type === "changed") {
          services.set(name, change.object);
          see(name);
        } else {
          services.delete(name);
          engines.lose(change.object.metadata);
        }
      },
    }),
    // Not selected: Endpoints that somebody writes by hand need not carry the labels of their service.
    follow("endpoints", {
      labelSelector: "",
      parse: parseEndpoints,
      onChange: (change) => {
        if (change.type === "replaced") return replace("endpoints", addresses, change.objects);
        const { name } = change.object.metadata;
        if (change.type === "changed") addresses.set(name, change.object);
        else addresses.delete(name);
        see(name);
      },
    }),
  ];
};
