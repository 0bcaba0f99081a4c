#!/bin/bash
# authority.sh FOLDER ADDRESS: an ACME authority of the scenario's own at https://10.77.0.1:14000/dir, for which every name leads to
# ADDRESS. Leaves in FOLDER door.pem (whom its directory is to be believed by) and root.pem (the root of what it issues).
set -euo pipefail
hosts=$(dirname "$(realpath "$0")")/../hosts
folder=$1 address=$2
mkdir -p "$folder"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
  -addext subjectAltName=IP:10.77.0.1,IP:127.0.0.1 -keyout "$folder/door.key" -out "$folder/door.pem" 2>/dev/null
cat >"$folder/pebble.json" <<JSON
{"pebble": {"listenAddress": "10.77.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "httpPort": 80, "tlsPort": 443,
 "certificate": "$folder/door.pem", "privateKey": "$folder/door.key", "ocspResponderURL": "", "certificateValidityPeriod": 604800}}
JSON
setsid "$hosts" here pebble-challtestsrv -dns01=127.0.0.1:8053 -management=127.0.0.1:8055 -defaultIPv4="$address" \
  -defaultIPv6= -http01= -https01= -tlsalpn01= </dev/null >"$folder/dns.log" 2>&1 &
PEBBLE_VA_NOSLEEP=1 setsid "$hosts" here pebble -strict -dnsserver=127.0.0.1:8053 -config="$folder/pebble.json" \
  </dev/null >"$folder/pebble.log" 2>&1 &
for _ in $(seq 600); do
  "$hosts" here curl --silent --fail --cacert "$folder/door.pem" https://127.0.0.1:15000/roots/0 >"$folder/root.pem" && exit 0
  sleep 0.1
done
echo "the authority did not start: $(cat "$folder/pebble.log")" >&2
exit 1
