# The image and what is built around it, in real containers. Included by the Makefile, whose variables
# it uses. T=image: one file; T="image compose": these.

.PHONY: test-containers test-kubernetes
test-containers: deps-containers $(if $(T),,$(if $(wildcard tests/containers/kubernetes.bats),deps-kubernetes)) ## the image, Compose, Kubernetes: real containers (T=name: one file)
	$(Q)tests/containers/run.sh $(T)

test-kubernetes: deps-kubernetes ## the manifests on a real Kubernetes
	$(Q)tests/containers/run.sh kubernetes
