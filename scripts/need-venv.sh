#!/bin/sh
# Make sure that Python 3.11 or newer can make virtual environments; as root on Debian install what is missing.
set -eu
python=$1
if ! command -v "$python" >/dev/null 2>&1; then
  echo "hopmap needs Python 3.11 or newer: install python3, or name yours with make PYTHON=..." >&2
  exit 2
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "hopmap needs Python 3.11 or newer, $python is $("$python" -V): name another with make PYTHON=..." >&2
  exit 2
fi
"$python" -c 'import ensurepip' >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
else
  echo "hopmap needs Python's venv: ask for it with sudo apt-get install python3-venv" >&2
  exit 2
fi
