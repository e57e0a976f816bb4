# The image and what is built around it, in real containers. Included by the Makefile, whose variables
# it uses. T=image: one file; T="image compose": these.

# what kubernetes.bats and manifests.bats need beside
CLUSTER_T := $(filter kubernetes manifests,$(or $(T),kubernetes))

.PHONY: test-containers test-kubernetes
test-containers: deps-containers $(if $(CLUSTER_T),deps-kubernetes $(B)/redkeep) ## the image, Compose, Kubernetes: real containers (T=name: one file)
	$(Q)REDKEEP_BIN=$(CURDIR)/$(B)/redkeep tests/containers/run.sh $(T)

test-kubernetes: deps-kubernetes $(B)/redkeep ## the manifests on a real Kubernetes
	$(Q)REDKEEP_BIN=$(CURDIR)/$(B)/redkeep tests/containers/run.sh kubernetes
