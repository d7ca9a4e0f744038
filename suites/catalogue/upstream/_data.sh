kubectl -n demo exec demo-worker-0 -c alluxio-worker -- sh -c 'head -c 8000000 /dev/urandom > /underFSStorage/file'
