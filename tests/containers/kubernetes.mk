# The manifests. Included by the Makefile, whose variables it uses; `make test-kubernetes`, on a real
# cluster, is containers.mk's.

.PHONY: test-manifests
test-manifests: deps-kubernetes $(B)/redkeep ## the manifests without a cluster: seconds
	$(Q)REDKEEP_BIN=$(CURDIR)/$(B)/redkeep tests/support/integration.sh manifests tests/containers/manifests.bats

k8s/components/monitoring/prometheusrule.yaml: monitoring/redkeep-alerts.yaml tests/support/kubernetes_rules.sh
	$(Q)tests/support/kubernetes_rules.sh $< >$@
