#!/bin/sh
# Run a command where its default route leads into a sink, and fail when a single packet went there:
# what the tests send must stay on loopback and in the lab's own namespaces. Without root the command
# runs as it is, and that is said.
set -eu
if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null 2>&1 || ! unshare -n true 2>/dev/null; then
  echo "without root the packets that leave are not counted" >&2
  exec "$@"
fi
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare -n sh -euc '
  ip link set lo up
  echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
  ip link add sink0 type veth peer name sink1
  ip link set sink0 up
  ip link set sink1 up
  ip address add 198.18.0.1/30 dev sink0
  ip neighbour add 198.18.0.2 lladdr 02:00:00:00:00:01 dev sink0 nud permanent
  ip route add default via 198.18.0.2
  code=0
  "$@" || code=$?
  sent=$(sed -n "s/^ *sink0: *//p" /proc/net/dev | awk "{ print \$10 }")
  echo "packets sent outside loopback and the lab: $sent"
  [ "$sent" = 0 ] || exit 1
  exit "$code"
' in-sink "$@"
