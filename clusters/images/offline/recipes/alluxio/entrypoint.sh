#!/bin/bash
# Starts one Alluxio process by its role, as Fluid's chart names it.
set -euo pipefail
. /opt/alluxio/libexec/alluxio-run

# Without a configuration, Alluxio's logging tells errors only.
logs=-Dlog4j2.level=INFO

role=${1:?usage: entrypoint.sh ROLE [ARGUMENT...]}
shift
case $role in
  master | master-only)
    run_class alluxio.master.AlluxioMaster "ALLUXIO_JAVA_OPTS ALLUXIO_MASTER_JAVA_OPTS" "$logs" ;;
  job-master)
    run_class alluxio.master.AlluxioJobMaster "ALLUXIO_JAVA_OPTS ALLUXIO_JOB_MASTER_JAVA_OPTS" "$logs" ;;
  worker | worker-only)
    [[ " $* " == *" --no-format "* ]] || alluxio formatWorker
    run_class alluxio.worker.AlluxioWorker "ALLUXIO_JAVA_OPTS ALLUXIO_WORKER_JAVA_OPTS" "$logs" ;;
  job-worker)
    run_class alluxio.worker.AlluxioJobWorker "ALLUXIO_JAVA_OPTS ALLUXIO_JOB_WORKER_JAVA_OPTS" "$logs" ;;
  fuse)
    options="" places=()
    for word in "$@"; do
      case $word in
        --fuse-opts=*) options=${word#--fuse-opts=} ;;
        *) places+=("$word") ;;
      esac
    done
    mount_point=${places[0]:-${MOUNT_POINT:?no mount point given}}
    # A killed predecessor leaves its mount behind; every access to it fails until it is gone.
    umount -l "$mount_point" 2>/dev/null || true
    mkdir -p "$mount_point"
    run_class alluxio.fuse.AlluxioFuse "ALLUXIO_JAVA_OPTS ALLUXIO_FUSE_JAVA_OPTS" "$logs" \
      -m "$mount_point" -a "${places[1]:-/}" -o "$options" ;;
  *) exec "$role" "$@" ;;
esac
