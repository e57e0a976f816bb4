# Stands for prom/prometheus: Debian's, with the official image's paths, user and arguments.
ARG BASE=debian:trixie-slim
FROM $BASE
RUN apt-get update -q && apt-get install -qy --no-install-recommends prometheus \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir -p /prometheus && chown nobody:nogroup /prometheus && test -x /bin/prometheus
USER nobody
VOLUME /prometheus
WORKDIR /prometheus
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
