#!/bin/bash
# A new host loses its power in the middle of its first run of site.yml. The next run heals it, and the one after changes nothing;
# all of them with everything that Ansible can tell, and no secret in it.
set -euo pipefail
cd "$MOLECULE_PROJECT_DIRECTORY"
play() { timeout 1200 ansible-playbook -i "$MOLECULE_INVENTORY_FILE" -i molecule/default/late.ini --limit late -vvv --diff site.yml; }

molecule/hosts up late:bookworm
log=$MOLECULE_EPHEMERAL_DIRECTORY/broken_off
play >"$log.1" 2>&1 &
running=$!
# until pip is at work: the virtual environment is begun, and not whole
until molecule/hosts exec late sh -c 'ls /opt/hopmap/releases/*/venv/lib/*/site-packages/*' >/dev/null 2>&1; do
  kill -0 "$running" 2>/dev/null || { echo "that run ended before the host was killed"; tail -50 "$log.1"; exit 1; }
  sleep 0.1
done
! molecule/hosts exec late sh -c 'ls /opt/hopmap/releases/*/complete' 2>/dev/null || { echo "killed too late"; exit 1; }
molecule/hosts kill late
! wait "$running" || { echo "that run should have failed"; exit 1; }

molecule/hosts up late
for run in 2 3; do
  play >"$log.$run" 2>&1 || { tail -200 "$log.$run"; exit 1; }
  grep '^late .*changed=' "$log.$run"
done
grep -q '^late .* changed=0 .*unreachable=0 .*failed=0' "$log.3" || { grep -A3 '^changed:' "$log.3"; exit 1; }
for part in input output gateway manager agent; do molecule/hosts exec late systemctl is-active --quiet "hopmap-$part"; done
molecule/default/untold.sh late "$log".[123]
