# Stands for redis:8, redis:7, valkey/valkey:8: Debian's with what users of the official image lean on.
ARG BASE=debian:trixie-slim
FROM $BASE
ARG SERVER=redis
ARG MODULES=
RUN groupadd --system --gid 999 $SERVER \
    && useradd --system --uid 999 --gid $SERVER --no-create-home --home-dir /data $SERVER \
    && apt-get update -q && apt-get install -qy --no-install-recommends $SERVER-server $SERVER-tools \
    && rm -rf /var/lib/apt/lists/* /etc/$SERVER/$SERVER.conf /data \
    && mkdir /data && chown $SERVER:$SERVER /data
COPY server entrypoint module.so /opt/stand-in/
RUN cd /usr/local/bin && sed "s/SERVER/$SERVER/g" /opt/stand-in/server >$SERVER-server \
    && sed "s/SERVER/$SERVER/g" /opt/stand-in/entrypoint >docker-entrypoint.sh \
    && chmod 755 $SERVER-server docker-entrypoint.sh && ln -s /usr/bin/$SERVER-cli $SERVER-cli \
    && ln -s $SERVER-server server \
    && if [ -n "$MODULES" ]; then install -D -t /usr/local/lib/redis/modules /opt/stand-in/module.so; fi
VOLUME /data
WORKDIR /data
EXPOSE 6379
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["server"]
