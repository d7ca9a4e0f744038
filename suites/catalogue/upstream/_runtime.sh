kubectl apply -f - <<'EOF'
apiVersion: data.fluid.io/v1alpha1
kind: AlluxioRuntime
metadata: {name: demo, namespace: demo}
spec:
  replicas: 1
  jvmOptions: ["-Xmx512m"]
  master: {jvmOptions: ["-Xmx512m"]}
  worker: {jvmOptions: ["-Xmx512m", "-XX:MaxDirectMemorySize=256m"]}
  fuse: {jvmOptions: ["-Xmx512m", "-XX:MaxDirectMemorySize=256m"]}
  tieredstore: {levels: [{mediumtype: MEM, path: /dev/shm, quota: 32Mi}]}
EOF
