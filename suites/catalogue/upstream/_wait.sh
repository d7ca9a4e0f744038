kubectl -n demo wait dataset/demo --for=jsonpath='{.status.phase}'=Bound --timeout=10m
