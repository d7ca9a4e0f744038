#include source
kubectl apply -f - <<'EOF'
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: demo, namespace: demo}
spec:
  placement: Shared
  mounts: [{mountPoint: "pvc://source", name: source, path: /}]
EOF
