# Runs inside the booted host: enrol, update to 9.0.1, be offered a 9.0.2 that crashes; prints `key value` lines.
set -eu
cd /opt
value() { systemctl show hopmap-agent -p "$1" --value; }
told() {
  python3 - "$1" <<'PY' 2>/dev/null || true
import json, sys, urllib.request
found = json.load(urllib.request.urlopen("http://127.0.0.1:8090/health", timeout=2))["statistics"]["update"]
print(found[sys.argv[1]])
PY
}
until_told() { # KEY VALUE SECONDS
  for _ in $(seq "$(($3 * 5))"); do
    [ "$(told "$1")" != "$2" ] || return 0
    sleep 0.2
  done
  journalctl -u hopmap-agent --no-pager | tail -40
  return 1
}
ip link set lo up
python3 gateway_inside.py &
gateway=$!
trap 'kill $gateway' EXIT
HOPMAP_ENROL_TOKEN=$(cat token) python3 hopmap-agent.pyz install --enrol http://127.0.0.1:8095 --self-update --name bare \
  --line-permits-probing yes --contact mailto:you@example.org
printf 'update_spread_minutes: 0\nupdate_proof_seconds: 20\n' >>/etc/hopmap/agent.yaml
systemctl restart hopmap-agent
echo "key $(stat -c '%a %U' /etc/hopmap/agent-token)"
until_told state unwanted 30
echo 9.0.1.pyz >wanted
until_told version 9.0.1 60
until_told state running 30
pid=$(value MainPID)
echo "runs $(tr '\0' ' ' <"/proc/$pid/cmdline" | sed 's/[0-9a-f]\{64\}/SHA256/')"
sed -n 's/^\(CapEff\|NoNewPrivs\|Seccomp\):\t/\1 /p' "/proc/$pid/status"
echo "exposure $(systemd-analyze security hopmap-agent --no-pager | sed -n 's/.*hopmap-agent.service: \([0-9.]*\).*/\1/p')"
echo "failed $(systemctl is-failed hopmap-agent || true)"
python3 hopmap-agent.pyz install >again
echo "again $(grep -c -v unchanged again) $([ "$pid" = "$(value MainPID)" ] && echo untouched)"
echo 9.0.2.pyz >wanted
until_told state failed 90
echo "back $(told version) $(told why)"
python3 hopmap-agent.pyz uninstall >/dev/null
echo "left $(ls -d /var/lib/hopmap-agent /var/lib/private/hopmap-agent /usr/local/lib/hopmap /etc/hopmap 2>/dev/null | wc -l)"
