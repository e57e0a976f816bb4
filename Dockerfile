# redkeep alone: no shell, no package manager, no other program.
#
#   docker build -t redkeep .
#   docker run --rm redkeep --help
#
# Everything of the program is under /opt/redkeep, its C library included, so that any other image, be
# it Alpine or one without a shell, gets `redkeep entrypoint` by one line:
#
#   COPY --from=redkeep /opt/redkeep /opt/redkeep

# ---- what is linked: Debian's libraries, and two of its sources with less inside ----
# Debian's libcurl brings LDAP, Kerberos, SSH, HTTP/2 and HTTP/3, its libmicrohttpd brings GnuTLS: 20 MB
# that redkeep never asks for. apt checks the sources as it checks packages.
FROM debian:trixie-slim AS packages
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive
RUN sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources \
    && apt-get update -q && apt-get install -qy --no-install-recommends gcc libc6-dev make pkg-config \
        dpkg-dev libssl-dev libarchive-dev libzstd-dev libcjson-dev libexpat1-dev libhiredis-dev \
        ca-certificates tzdata
WORKDIR /src
RUN apt-get source -q curl libmicrohttpd
ENV CFLAGS="-O2 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections"

FROM packages AS curl
RUN cd curl-*/ && ./configure --quiet --prefix=/usr/local --disable-shared --enable-unity --with-openssl \
        --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt --without-ca-path \
        --disable-{dict,file,ftp,gopher,imap,ipfs,ldap,ldaps,mqtt,pop3,rtsp,smb,smtp,telnet,tftp} \
        --disable-docs --disable-manual --disable-cookies --disable-hsts --disable-alt-svc --disable-doh \
        --disable-ntlm --disable-kerberos-auth --disable-negotiate-auth --disable-aws \
        --disable-netrc --disable-websockets --disable-unix-sockets --without-libpsl --without-libidn2 \
        --without-zlib --without-brotli --without-zstd --without-nghttp2 --without-libssh2 --without-librtmp \
    && make -s -C include install && make -s install-pkgconfigDATA \
    && make -s -j "$(nproc)" -C lib install-libLTLIBRARIES

FROM packages AS microhttpd
RUN cd libmicrohttpd-*/ && ./configure --quiet --prefix=/usr/local --disable-shared --disable-https \
        --disable-doc --disable-examples --disable-tools --disable-curl --disable-bauth --disable-dauth \
        --disable-postprocessor --disable-httpupgrade --disable-cookie \
    && make -s -C src/include install && make -s install-pkgconfigDATA \
    && make -s -j "$(nproc)" -C src/microhttpd install-libLTLIBRARIES

# ---- the program ----
FROM packages AS build
COPY --from=curl /usr/local /usr/local
COPY --from=microhttpd /usr/local /usr/local
WORKDIR /src/redkeep
COPY . .
# What is found at run time lies beside the program; DT_RPATH, so that no LD_LIBRARY_PATH of the image
# that it is copied into comes first.
RUN loader=$(find /usr/lib/*-linux-gnu* -maxdepth 1 -name 'ld-linux*.so.*' | head -n 1) \
    && make -j "$(nproc)" all CFLAGS="-O2 -g -ffunction-sections -fdata-sections" \
        LDFLAGS="-Wl,--gc-sections -Wl,--dynamic-linker=/opt/redkeep/lib/${loader##*/} \
            -Wl,-rpath,/opt/redkeep/lib -Wl,--disable-new-dtags" \
        PKG_LIBS="-Wl,-Bstatic -lcurl -larchive -lzstd -lexpat -lhiredis -lmicrohttpd \
            -lssl -lcrypto -lz -Wl,-Bdynamic -lcjson -lpthread -lm"
RUN mkdir -p /image/opt/redkeep/{bin,lib} && strip -o /image/opt/redkeep/bin/redkeep build/redkeep \
    && ldd build/redkeep | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | xargs cp -L -t /image/opt/redkeep/lib
# What an image without anything has to have: whom to trust, what the clocks of the world show, who is who.
RUN cd /image && mkdir -p etc/ssl/certs usr/share usr/lib/ssl opt/redkeep/share/licenses \
    && cp -L /etc/ssl/certs/ca-certificates.crt opt/redkeep/share/ && cp -a /usr/share/zoneinfo opt/redkeep/share/ \
    && rm -f opt/redkeep/share/zoneinfo/localtime \
    && ln -s /opt/redkeep/share/ca-certificates.crt etc/ssl/certs/ca-certificates.crt \
    && ln -s /etc/ssl/certs/ca-certificates.crt usr/lib/ssl/cert.pem \
    && ln -s /opt/redkeep/share/zoneinfo usr/share/zoneinfo \
    && printf '%s\n' root:x:0:0::/: redis:x:999:999::/data: nobody:x:65534:65534::/: >etc/passwd \
    && printf '%s\n' root:x:0: redis:x:999: nogroup:x:65534: >etc/group \
    && for package in libc6 libssl-dev libarchive-dev libzstd-dev libcjson-dev libexpat1-dev libhiredis-dev tzdata \
        ca-certificates; do cp -L "/usr/share/doc/$package/copyright" "opt/redkeep/share/licenses/$package"; done \
    && cp /src/curl-*/COPYING opt/redkeep/share/licenses/curl \
    && cp /src/libmicrohttpd-*/COPYING opt/redkeep/share/licenses/libmicrohttpd \
    && mkdir -m 1777 tmp && mkdir -p /data/data && chmod 0755 /data/data \
    && chroot /image /opt/redkeep/bin/redkeep --version \
    && find /image /data -exec touch --no-dereference --date=@0 {} +

FROM scratch
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title=redkeep \
    org.opencontainers.image.description="Keeps the data of a persistent Redis or Valkey server alive" \
    org.opencontainers.image.version=$VERSION
COPY --from=build /image/ /
COPY --from=build --chown=999:999 /data/ /
ENV PATH=/opt/redkeep/bin
USER 999:999
EXPOSE 9742
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s \
    CMD ["/opt/redkeep/bin/redkeep", "ready"]
ENTRYPOINT ["/opt/redkeep/bin/redkeep"]
CMD ["run"]
