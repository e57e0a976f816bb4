# `make demo`: the main job before your eyes. Included by the Makefile, whose variables it uses.
# What is missing is installed first, so the build is a make of its own: it has to look for the
# libraries again.

.PHONY: demo
demo: ## loses a volume and gets every key back (S3=1: from a real S3 server)
	$(Q)tests/support/deps.sh test
	$(Q)$(MAKE) --no-print-directory -j 2 all
	$(Q)REDKEEP_BIN=$(CURDIR)/$(B)/redkeep S3='$(S3)' tests/support/demo.sh
