#!/bin/bash
# next_tree.sh FOLDER VERSION before|migrates|falls: a source tree as another version. What was before is an older commit, its own
# roles included; the others are copies of this tree: one that migrates changes the output's schema twice, and its input lives for three
# seconds where /etc/hopmap/short-lived is; the agent of one that falls does not start where /etc/hopmap/sabotaged is.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/../.."
folder=$1 version=$2 kind=$3
before=7dd2e97ba7a8 # the oldest that is upgraded from: the first whose releases watch and undo themselves
rm -rf "$folder"
mkdir -p "$folder"
old=$(git -c safe.directory="$PWD" rev-parse --quiet --verify "$before^{commit}" 2>/dev/null) || old=""
if [ "$kind" = before ] && [ -n "$old" ]; then
  git -c safe.directory="$PWD" archive "$old" | tar --extract --directory="$folder"
  git -c safe.directory="$PWD" log -1 --format='the build before is of commit %h, %cs' "$old"
else
  [ "$kind" != before ] || echo "this clone has no commit $before: the build before is this tree with another number"
  cp -r --parents hopmap agents services manager lab scripts roles playbooks site.yml pyproject.toml README.md LICENSE NOTICE.md .gitignore \
    "$folder"
fi
printf '"""hopmap maps the routes of the internet."""\n\n__version__ = "%s"\n' "$version" >"$folder/hopmap/__init__.py"
if [ "$kind" = falls ]; then
  sed -i '/^    logs.start(/i\    if Path("/etc/hopmap/sabotaged").exists():\n        raise UserError("sabotaged")' "$folder/agents/command.py"
  grep -q sabotaged "$folder/agents/command.py"
fi
[ "$kind" = migrates ] || exit 0
sed -i '/^    logs.start(/i\    if Path("/etc/hopmap/short-lived").exists():\n        __import__("threading").Timer(3, __import__("os")._exit, [1]).start()' \
  "$folder/services/input/command.py"
grep -q short-lived "$folder/services/input/command.py"
steps=$folder/services/output/migrations/state
number=$(find "$steps" -name '*.sql' | wc -l)
for name in first second; do
  number=$((number + 1))
  echo "CREATE TABLE ${name}_to_come (a INTEGER);" >"$steps/$(printf '%04d' "$number")_$name.sql"
done
