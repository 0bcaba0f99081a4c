#!/bin/sh
# Everything of hopmap's services on this machine, gone; prints what went. With --check it prints the same and does nothing.
set -eu
export DEBIAN_FRONTEND=noninteractive
parts="gateway manager atlas output input"
check=${1:-}
run() { [ "$check" = --check ] || "$@"; }

for part in $parts; do
  unit=hopmap-$part.service
  [ -e "/etc/systemd/system/$unit" ] || continue
  run systemctl disable --now --quiet "$unit"
  run rm -f "/etc/systemd/system/$unit"
  echo "$unit"
done

# packages that were not here before
if [ -s /etc/hopmap/packages ]; then
  # shellcheck disable=SC2046 # a list of names
  run apt-get purge -qq -y $(sort -u /etc/hopmap/packages) >/dev/null
  run apt-get autoremove --purge -qq -y >/dev/null
  cat /etc/hopmap/packages
  if grep -qx caddy /etc/hopmap/packages; then
    run rm -rf /var/lib/caddy
    run userdel caddy 2>/dev/null || true
    run groupdel caddy 2>/dev/null || true
  fi
  ! grep -qx fail2ban /etc/hopmap/packages || run rm -rf /etc/fail2ban /var/lib/fail2ban /var/log/fail2ban.log
fi
run rm -rf /etc/systemd/system/caddy.service.d /etc/caddy/authority.pem
run rm -f /etc/fail2ban/filter.d/hopmap-*.conf /etc/fail2ban/jail.d/hopmap* /etc/tmpfiles.d/hopmap-gateway.conf
run rmdir /etc/caddy 2>/dev/null || true

for place in /opt/hopmap /etc/hopmap /var/lib/hopmap /var/lib/hopmap-front /run/hopmap-*; do
  [ -e "$place" ] || continue
  run rm -rf "$place"
  echo "$place"
done
run systemctl daemon-reload
for part in $parts; do
  run systemctl reset-failed "hopmap-$part.service" 2>/dev/null || true
  if getent passwd "hopmap-$part" >/dev/null; then
    run userdel "hopmap-$part" && echo "user hopmap-$part"
  fi
done
