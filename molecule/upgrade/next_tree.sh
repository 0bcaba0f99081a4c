#!/bin/bash
# next_tree.sh FOLDER VERSION [migrates|falls]: a copy of this source tree as another version; one that migrates changes the output's
# schema twice, the agent of one that falls does not start where /etc/hopmap/sabotaged is
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/../.."
folder=$1 version=$2 kind=${3:-}
rm -rf "$folder"
mkdir -p "$folder"
cp -r --parents hopmap agents services manager lab scripts pyproject.toml README.md LICENSE NOTICE.md .gitignore roles/release/files "$folder"
printf '"""hopmap maps the routes of the internet."""\n\n__version__ = "%s"\n' "$version" >"$folder/hopmap/__init__.py"
if [ "$kind" = falls ]; then
  sed -i '/^    logs.start(/i\    if Path("/etc/hopmap/sabotaged").exists():\n        raise UserError("sabotaged")' "$folder/agents/command.py"
  grep -q sabotaged "$folder/agents/command.py"
fi
[ "$kind" = migrates ] || exit 0
steps=$folder/services/output/migrations/state
number=$(find "$steps" -name '*.sql' | wc -l)
for name in first second; do
  number=$((number + 1))
  echo "CREATE TABLE ${name}_to_come (a INTEGER);" >"$steps/$(printf '%04d' "$number")_$name.sql"
done
