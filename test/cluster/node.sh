#!/usr/bin/env bash
# The first process of the node, in a network, mount and process namespace of its own (layout.ts): gives the node the
# directories that its programs insist on, starts them, and starts again what ends, as an init would. Whoever kills it ends
# all of it, the pods and every mount included.
set -euo pipefail
state=$1
shopt -s nullglob

# Mounts that are made here are seen by the node's pods and by nobody outside of this namespace.
mount --make-rprivate /
mount --make-rshared /

# Where programs write whatever they are told: nothing of the machine's own. It needs no more than directories that exist.
for directory in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$directory"; done
mkdir -p /var/lib/kubelet /run/netns "$state/kubelet"
mount --bind "$state/kubelet" /var/lib/kubelet

# A kubelet insists on some settings of the kernel, which are the whole machine's. It finds and writes these files instead.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys \
  kernel/keys/root_maxbytes; do
  copy=$state/settings/${setting//\//.}
  cat "/proc/sys/$setting" >"$copy"
  mount --bind "$copy" "/proc/sys/$setting"
done

# These are the network namespace's own.
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
[ ! -e /proc/sys/net/bridge ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables

for file in "$state"/commands/*; do
  mapfile -t command <"$file"
  log=$state/log/${file##*/}.log
  while :; do
    "${command[@]}" >>"$log" 2>&1 </dev/null || echo "ended with $?; once more in a second" >>"$log"
    sleep 1
  done &
done
wait
