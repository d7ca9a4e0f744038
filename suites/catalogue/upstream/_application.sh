kubectl apply -f - <<'EOF'
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: demo}
spec:
  containers:
  - name: app
    image: alluxio/alluxio-dev:2.9.0
    command: [sleep, infinity]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: demo}}]
EOF
kubectl -n demo wait pod/app --for=condition=Ready --timeout=5m
