#!/bin/bash
# Boot a Debian tree with systemd-nspawn and run a script in it: booted_host.sh IMAGE FILES SCRIPT
#
# The tree itself is not changed (an overlay in memory takes the writes); FILES, a folder, is copied to /opt in it. The
# host gets a network namespace of its own that has no way out, and a cgroup of its own. Exit code: that of SCRIPT.
set -eu
image=$(realpath "$1") files=$(realpath "$2") script=$3
name=hopmap-$$
work=$(mktemp -d)
cgroup=/sys/fs/cgroup/unified/$name
[ -d /sys/fs/cgroup/unified ] || cgroup=/sys/fs/cgroup/$name
leader=""

end() {
  [ -z "$leader" ] || kill -s SIGRTMIN+4 "$leader" 2>/dev/null || true # systemd(1): power off
  for _ in $(seq 30); do
    [ -n "$leader" ] && [ -d "/proc/$leader" ] || break
    sleep 0.1
  done
  echo 1 >"$cgroup/cgroup.kill" 2>/dev/null || true
  sleep 0.2
  find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  ip netns del "$name" 2>/dev/null || true
  rm -rf "$work"
}
trap end EXIT

ip netns add "$name"
mkdir -p "$cgroup"
cat >"$work/boot" <<BOOT
echo \$\$ >$cgroup/cgroup.procs
exec unshare --mount --propagation slave bash -euc '
  umount -R /sys/fs/cgroup
  mount -t cgroup2 none /sys/fs/cgroup
  mkdir $work/memory
  mount -t tmpfs none $work/memory
  mkdir $work/memory/upper $work/memory/work $work/memory/tree
  mount -t overlay overlay -o lowerdir=$image,upperdir=$work/memory/upper,workdir=$work/memory/work $work/memory/tree
  cp -r $files/. $work/memory/tree/opt/
  export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
  exec systemd-nspawn --quiet --directory=$work/memory/tree --boot --register=no --keep-unit --machine=$name \
    --hostname=bare --network-namespace-path=/run/netns/$name --resolv-conf=off --timezone=off --link-journal=no \
    --console=pipe
'
BOOT
setsid bash "$work/boot" </dev/null >"$work/log" 2>&1 &

for _ in $(seq 100); do
  sleep 0.1
  for pid in $(cat "$cgroup/payload/init.scope/cgroup.procs" 2>/dev/null); do
    [ "$(awk '/^NSpid/ { print $NF }' "/proc/$pid/status" 2>/dev/null)" != 1 ] || leader=$pid
  done
  [ -z "$leader" ] || break
done
if [ -z "$leader" ]; then
  cat "$work/log" >&2
  exit 1
fi
inside() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  nsenter -t "$leader" -m -u -i -n -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
    sh -c 'mkdir -p /sys/fs/cgroup/entered; echo 0 >/sys/fs/cgroup/entered/cgroup.procs; exec "$@"' sh "$@"
}
for _ in $(seq 100); do
  case $(inside systemctl is-system-running 2>/dev/null || true) in running | degraded) break ;; esac
  sleep 0.1
done
inside sh "/opt/$script"
