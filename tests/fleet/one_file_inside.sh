# Runs inside the booted host: install, look, install again, uninstall; prints `key value` lines.
set -eu
cd /opt
listed() {
  find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /opt -o -path /var/log/journal \) \
    -prune -o -print | sort
}
value() { systemctl show hopmap-agent -p "$1" --value; }
ip link set lo up
listed >before
python3 -c 'import yaml' 2>/dev/null && echo "yaml present" || echo "yaml absent"
echo a-token-of-the-fleet >token
python3 hopmap-agent.pyz install --token-file token --line-permits-probing yes --contact mailto:you@example.org \
  --input http://127.0.0.1:8080 --output http://127.0.0.1:8081/results
sleep 1
pid=$(value MainPID)
echo "active $(systemctl is-active hopmap-agent)"
echo "enabled $(systemctl is-enabled hopmap-agent)"
echo "restarts $(value NRestarts)"
sed -n 's/^\(CapEff\|CapBnd\|NoNewPrivs\|Seccomp\):\t/\1 /p' "/proc/$pid/status"
echo "token $(stat -c %a /etc/hopmap/agent-token) $(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^HOPMAP_AGENT_TOKEN_FILE=//p')"
echo "user $(awk '/^Uid/ { print ($2 > 60000) ? "dynamic" : $2 }' "/proc/$pid/status")"
echo "exposure $(systemd-analyze security hopmap-agent --no-pager | sed -n 's/.*hopmap-agent.service: \([0-9.]*\).*/\1/p')"
python3 - <<'PY'
import json, urllib.request
found = json.load(urllib.request.urlopen("http://127.0.0.1:8090/health"))
print("transport", found["statistics"]["transport"])
PY
python3 hopmap-agent.pyz install
[ "$pid" = "$(value MainPID)" ] && echo "again untouched"
python3 hopmap-agent.pyz uninstall
listed >after
cmp -s before after && echo "left nothing" || { echo "left something"; diff before after; }
