#!/bin/sh
# usage: unshare --mount data/enter.sh ROOT CACHE PROGRAM [ARGUMENT...]
# Runs a program in a Debian root folder, with this machine's devices, processes, network namespaces
# and cache folder under their own paths. The mounts end with the mount namespace.
set -e
root=$1 cache=$2
shift 2
for folder in /dev /proc /sys /tmp /run/netns "$cache"; do
    mkdir -p "$root$folder"
    [ ! -d "$folder" ] || mount --rbind "$folder" "$root$folder"
done
exec chroot "$root" "$@"
