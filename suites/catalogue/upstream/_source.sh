kubectl create namespace demo
kubectl apply -f - <<'EOF'
apiVersion: v1
kind: PersistentVolume
metadata: {name: demo-source}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  storageClassName: ""
  claimRef: {namespace: demo, name: source}
  hostPath: {path: /tmp/demo-source, type: DirectoryOrCreate}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: source, namespace: demo}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: ""
  volumeName: demo-source
  resources: {requests: {storage: 1Gi}}
EOF
