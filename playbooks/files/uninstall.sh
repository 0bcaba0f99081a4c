#!/bin/sh
# Everything of hopmap's services on this machine, gone; prints what went.
set -eu
export DEBIAN_FRONTEND=noninteractive
parts="gateway manager atlas output input"

for part in $parts; do
  unit=hopmap-$part.service
  [ -e "/etc/systemd/system/$unit" ] || continue
  systemctl disable --now --quiet "$unit"
  rm -f "/etc/systemd/system/$unit"
  echo "$unit"
done

# packages that were not here before
if [ -s /etc/hopmap/packages ]; then
  # shellcheck disable=SC2046 # a list of names
  apt-get purge -qq -y $(sort -u /etc/hopmap/packages) >/dev/null
  apt-get autoremove --purge -qq -y >/dev/null
  cat /etc/hopmap/packages
  grep -qx caddy /etc/hopmap/packages && { rm -rf /var/lib/caddy; userdel caddy 2>/dev/null || true; groupdel caddy 2>/dev/null || true; }
  grep -qx fail2ban /etc/hopmap/packages && rm -rf /etc/fail2ban /var/lib/fail2ban /var/log/fail2ban.log
fi
rm -rf /etc/systemd/system/caddy.service.d /etc/caddy/authority.pem
rm -f /etc/fail2ban/filter.d/hopmap-*.conf /etc/fail2ban/jail.d/hopmap* /etc/tmpfiles.d/hopmap-gateway.conf
rmdir /etc/caddy 2>/dev/null || true

for place in /opt/hopmap /etc/hopmap /var/lib/hopmap /var/lib/hopmap-front /run/hopmap-*; do
  [ ! -e "$place" ] || { rm -rf "$place"; echo "$place"; }
done
rm -rf /run/systemd/system/hopmap-agent.service.d  # of a drain
systemctl daemon-reload
for part in $parts; do
  systemctl reset-failed "hopmap-$part.service" 2>/dev/null || true
  if getent passwd "hopmap-$part" >/dev/null; then
    userdel "hopmap-$part" && echo "user hopmap-$part"
  fi
done
