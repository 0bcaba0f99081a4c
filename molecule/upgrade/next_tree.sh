#!/bin/bash
# next_tree.sh FOLDER VERSION [migrates]: a copy of this source tree as another version; one that migrates changes the output's schema twice
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/../.."
folder=$1 version=$2 migrates=${3:-}
rm -rf "$folder"
mkdir -p "$folder"
cp -r --parents hopmap agents services manager lab scripts pyproject.toml README.md LICENSE NOTICE.md .gitignore roles/release/files "$folder"
printf '"""hopmap maps the routes of the internet."""\n\n__version__ = "%s"\n' "$version" >"$folder/hopmap/__init__.py"
[ -n "$migrates" ] || exit 0
steps=$folder/services/output/migrations/state
number=$(find "$steps" -name '*.sql' | wc -l)
for name in first second; do
  number=$((number + 1))
  echo "CREATE TABLE ${name}_to_come (a INTEGER);" >"$steps/$(printf '%04d' "$number")_$name.sql"
done
