#!/bin/sh
# A CA, a certificate for the server named redis and one for its clients, in tls/ beside this file (or in
# the directory that is the argument): good for trying; yours come from wherever yours come from.
set -eu
umask 077
dir=${1:-$(dirname "$0")/tls}
mkdir -p "$dir"
cd "$dir"
[ ! -e ca.crt ] || exit 0 # what runs with them goes on with them

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj "/CN=redkeep example CA" -keyout ca.key -out ca.crt 2>/dev/null
for name in server client; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -subj "/CN=$name" -addext "subjectAltName=DNS:redis,DNS:localhost" \
        -keyout "$name.key" -out "$name.csr" 2>/dev/null
    openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 \
        -copy_extensions copy -out "$name.crt" 2>/dev/null
    rm "$name.csr"
done
