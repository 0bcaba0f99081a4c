#!/bin/bash
# untold.sh HOST LOG...: no token and no key that is on a host stands in the logs of runs with -vvv --diff.
set -euo pipefail
host=$1
shift
secrets=$(mktemp) told=$(mktemp)
trap 'rm -f "$secrets" "$told"' EXIT
places="/etc/hopmap/agent-token /etc/hopmap/secrets/* /var/lib/hopmap/manager/server-key"
# words that are long enough to be one, in any of the lines of SCOPE TOKEN
molecule/hosts exec "$host" sh -euc "cat $places" | tr -s '[:space:]' '\n' | grep -E '.{20,}' | sort -u >"$secrets"
[ "$(wc -l <"$secrets")" -ge 5 ] || { echo "these can't be all secrets of $host: $(wc -l <"$secrets")"; exit 1; }
# a play that does tell them: each is to be found there, or not finding them elsewhere means nothing
ansible -i "$MOLECULE_INVENTORY_FILE" -i molecule/default/late.ini -vvv --become -m ansible.builtin.command -a "sh -c 'cat $places'" \
  "$host" >"$told" 2>&1
while read -r secret; do
  grep -qF -e "$secret" "$told" || { echo "this check finds nothing"; exit 1; }
done <"$secrets"
if grep -nF -f "$secrets" "$@" | cut -c1-60 | grep .; then
  echo "secrets were told, in these lines"
  exit 1
fi
echo "$(wc -l <"$secrets") secrets of $host, none of them in $(cat "$@" | wc -l) lines of output"
