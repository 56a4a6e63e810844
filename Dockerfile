# Built on the builder's own platform: an executable for another one needs no emulation.
FROM --platform=$BUILDPLATFORM node:22.20.0-bookworm-slim AS build
WORKDIR /build
# The pinned Bun and the dependencies: cached until one of these files changes.
COPY package.json bun.lock bunfig.toml ./
COPY scripts/bun.mjs scripts/
RUN node scripts/bun.mjs --version
COPY scripts scripts
COPY src src
ARG TARGETARCH
RUN node scripts/bun.mjs scripts/build.ts --platform "linux-$(echo "$TARGETARCH" | sed s/amd64/x64/)"

# The C library and nothing else: no shell, no package manager.
FROM gcr.io/distroless/base-nossl-debian12:nonroot
LABEL org.opencontainers.image.title="vllm-router"
LABEL org.opencontainers.image.description="Routes OpenAI-style requests to the vLLM engine that will answer soonest"
LABEL org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /usr/share/doc/vllm-router/
COPY --from=build /build/dist/THIRD-PARTY-NOTICES /usr/share/doc/vllm-router/
COPY --from=build /build/dist/vllm-router /usr/local/bin/
# Empty, and root's: there is nothing in it to be read as configuration, and nothing can be put there.
WORKDIR /empty
USER 65532:65532
EXPOSE 8001
# Set another port as VLLM_ROUTER_PORT rather than with --port, so that the check finds it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/usr/local/bin/vllm-router", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/vllm-router"]
