#!/bin/bash
# Alert rules of Prometheus as the resource that its operator takes.
# usage: kubernetes_rules.sh monitoring/redkeep-alerts.yaml >k8s/components/monitoring/prometheusrule.yaml
set -euo pipefail

cat <<'YAML'
# Made from monitoring/redkeep-alerts.yaml: change that, and run
# `make k8s/components/monitoring/prometheusrule.yaml`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: redkeep
spec:
YAML
sed 's/^\(.\)/  \1/' "$1"
