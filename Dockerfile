# The image: one static program, and the authorities that sign servers' certificates. `make image` puts both into
# the context; there is no shell, no library and nothing else in it. Time zones are in the program.
FROM scratch

ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="foresail" \
      org.opencontainers.image.description="A predictive KEDA external scaler for scientific job queues in Redis and Postgres" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY foresail /foresail

USER 65532:65532
EXPOSE 6000 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/foresail"]
