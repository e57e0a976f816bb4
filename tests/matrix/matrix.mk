# `make test-matrix`: every server against every other. Included by the Makefile, whose variables it
# uses. What is missing is installed first, so the build is a make of its own.
# T=matrix the cross table alone; T=name one file of the integration tests against each server;
# SERVERS="redis-8.0 valkey" those whose names begin so.

.PHONY: test-matrix matrix-run
test-matrix: ## each version of Redis and Valkey against each other (T=matrix: no more than that)
	$(Q)tests/support/deps.sh matrix
	$(Q)$(MAKE) --no-print-directory -j 2 matrix-run

matrix-run: $(B)/redkeep $(BENCH_BIN)
	$(Q)REDKEEP_BIN=$(CURDIR)/$(B)/redkeep BUILD=$(CURDIR)/$(B) \
		tests/matrix/run.sh build/matrix build/roots '$(T)' $(SERVERS)
