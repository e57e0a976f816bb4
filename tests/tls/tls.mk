# TLS to the server, with the compiler, the libraries and the servers of the next Debian.
.PHONY: test-tls
test-tls: ## rediss:// as built on Debian trixie, with its Redis and its Valkey
	$(Q)tests/support/deps.sh matrix
	$(Q)tests/tls/run.sh
