#!/bin/sh
# The programs that tests and benchmarks compare hopmap with, or load it by. As root on Debian install what is
# missing; else say so: tests that need one of them are then skipped, and counted as skipped.
set -eu
missing=""
while read -r program package; do
  command -v "$program" >/dev/null 2>&1 || missing="$missing $package"
done <<LIST
ip iproute2
ping iputils-ping
tcpdump tcpdump
traceroute traceroute
fping fping
scamper scamper
wrk wrk
chromium chromium
promtool prometheus
fail2ban-server fail2ban
systemd-nspawn systemd-container
mmdebstrap mmdebstrap
apt-ftparchive apt-utils
nft nftables
nc netcat-openbsd
ssh openssh-client
caddy caddy
pebble pebble
openssl openssl
curl curl
LIST
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  # Debian starts what it installs: nothing may listen or ban here because tests want a program
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of package names
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
  if [ -d /run/systemd/system ]; then
    for package in $missing; do # nor after the next start of the machine
      dpkg -L "$package" | sed -n 's#^/lib/systemd/system/\([^/@]*\.\(service\|timer\)\)$#\1#p' | xargs -r systemctl --quiet disable
    done
  fi
else
  echo "tests that compare with these are skipped; to run them: sudo apt-get install$missing" >&2
fi
