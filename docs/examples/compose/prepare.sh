#!/bin/sh
# Makes what compose.yaml mounts: a CA and a certificate of NATS, the CA for lfh-sync, and directories that belong to you. The processes
# that use them run as you, which .env says. Run it once:
#   ./prepare.sh nats.hospital-a.example.org      with the name or names by which peers reach this NATS
set -eu
cd "$(dirname "$0")"
umask 077
names="DNS:nats"
for name in "$@"; do names="$names,DNS:$name"; done

# Otherwise Docker would make them, and they would be root's.
mkdir -p certs nats-data sync/state/local/nats sync/state/local/sidecar
chmod 755 certs sync sync/state sync/state/local sync/state/local/nats sync/state/local/sidecar

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=hospital-a CA" \
  -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout certs/ca.key -out certs/ca.crt
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=nats" -keyout certs/tls.key -out certs/tls.csr
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n' "$names" > certs/tls.ext
openssl x509 -req -in certs/tls.csr -CA certs/ca.crt -CAkey certs/ca.key -CAcreateserial -days 365 -extfile certs/tls.ext \
  -out certs/tls.crt
rm certs/tls.csr certs/tls.ext
chmod 644 certs/ca.crt certs/tls.crt

{
  echo "apiVersion: v1"
  echo "kind: ConfigMap"
  echo "metadata: { name: nats-ca }"
  echo "data:"
  echo "  ca.crt: |"
  sed 's/^/    /' certs/ca.crt
} > sync/nats-ca.yaml
# Every docker compose reads it.
echo "LFH_SYNC_USER=$(id -u):$(id -g)" > .env
echo "Done. Keep certs/ca.key in a safe place; nothing here needs it before the certificate of NATS is renewed."
