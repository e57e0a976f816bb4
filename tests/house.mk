# The house: tests, lint, analysis, fuzzers. Included by the Makefile, whose variables it uses.
# Every target that tests ends with a line "N passed, N failed" and fails when anything did.

T ?=# one module: make unit T=s3_sign
FUZZ_SECONDS ?= 60

DEPS := deps-build deps-test deps-lint deps-bench deps-matrix deps-containers deps-kubernetes
.PHONY: deps $(DEPS)
deps: deps-build ## installs missing Debian packages; also deps-test, -lint, -bench, -matrix, ...
$(DEPS): deps-%:
	$(Q)tests/support/deps.sh $*

# ---- unit tests ----
# libcheck.a needs libm behind it, where the linker takes libraries as needed
$(UNIT_BIN): PKG_LIBS += -lcheck -lm

UNIT_SEL := $(if $(T),$(filter %/test_$(T),$(UNIT_BIN)),$(UNIT_BIN))

.PHONY: unit
unit: $(UNIT_SEL) ## unit tests (T=name: one module)
	$(Q)tests/support/unit.sh '$(T)' $(UNIT_SEL)

# ---- integration: the real binary, real servers ----
BATS_SRC := $(sort $(wildcard tests/integration/*.bats))
BATS_SEL := $(if $(T),$(filter %/$(T).bats,$(BATS_SRC)),$(BATS_SRC))

.PHONY: integration
integration: $(B)/redkeep $(BENCH_BIN) ## real servers, the real binary (T=name: one file)
	$(Q)REDKEEP_BIN=$(CURDIR)/$(B)/redkeep BUILD=$(CURDIR)/$(B) \
		tests/support/integration.sh '$(T)' $(BATS_SEL)

# ---- fuzzing: product objects of their own, by clang ----
F := build/fuzz
FUZZ_CC := clang
FUZZ_CFLAGS = -std=c17 -D_GNU_SOURCE -DREDKEEP_VERSION='"$(VERSION)"' -O1 -g -Wall -Wextra -Werror \
	-fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
	-MMD -MP -Isidecar -I. -Itests $(PKG_CFLAGS)
FUZZ_OBJ := $(LIB_SRC:%.c=$(F)/%.o) $(SUP_SRC:%.c=$(F)/%.o)
FUZZ_SEL := $(if $(T),$(filter %/fuzz_$(T).c,$(FUZZ_SRC)),$(FUZZ_SRC))
FUZZ_BIN := $(FUZZ_SEL:%.c=$(F)/%)

$(F)/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(F)/libproduct.a: $(FUZZ_OBJ)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(FUZZ_BIN): $(F)/%: $(F)/%.o $(F)/libproduct.a
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz
fuzz: $(FUZZ_BIN) ## every fuzzer for FUZZ_SECONDS=60 (T=name: one)
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) tests/support/fuzz.sh '$(T)' $(FUZZ_BIN)

# The corpus as ordinary tests: the same targets by the ordinary compiler, with a main of our own.
CORPUS_SEL := $(FUZZ_SEL:%.c=$(B)/%)

$(FUZZ_SRC:%.c=$(B)/%): $(B)/%: $(B)/%.o $(B)/tests/fuzz/driver.o $(B)/libsupport.a $(B)/libsidecar.a
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz-corpus
fuzz-corpus: $(CORPUS_SEL) ## every file of the corpus through its parser (T=name: one)
	$(Q)tests/support/corpus.sh '$(T)' $(CORPUS_SEL)

# ---- all of it ----
.PHONY: test
test: ## everything, after installing what is missing (T=name: one module)
	$(Q)tests/support/deps.sh test
	$(Q)MAKE='$(MAKE)' tests/support/test.sh '$(T)'

# ---- lint and analysis ----
.PHONY: lint
lint: deps-lint ## style, layers, shapes, cages: what a person need not look at
	$(Q)tests/lint/lint.sh

# One stamp for each file, so that only what changed is looked at again.
TIDY := $(LIB_SRC:%.c=build/tidy/%.ok) build/tidy/sidecar/main.ok

build/tidy/%.ok: %.c $(HEADERS) .clang-tidy
	$(Q)mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- -std=c17 -D_GNU_SOURCE -DREDKEEP_VERSION='""' -Isidecar -I. $(PKG_CFLAGS) 2>&1 \
		| { grep -v -E '^[0-9]+ warnings? generated' || true; }; exit $${PIPESTATUS[0]}
	$(Q)touch $@

.PHONY: analyze
analyze: deps-lint $(TIDY) ## clang-tidy and cppcheck
	$(Q)mkdir -p build/cppcheck
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --error-exitcode=1 -j 2 \
		--cppcheck-build-dir=build/cppcheck -D_GNU_SOURCE '-DREDKEEP_VERSION=""' -Isidecar -I. sidecar entrypoint

.PHONY: fmt
fmt: ## clang-format over every C file
	$(Q)find sidecar entrypoint tests -name '*.[ch]' -print0 | xargs -0 clang-format -i

.PHONY: clean help
clean: ## removes build/
	$(Q)rm -rf build

help: ## what there is
	@sed -n 's/^\([a-z%-]*\):[^#]*## */\1  /p' $(MAKEFILE_LIST) | sort -u | awk '{t=$$1; $$1=""; printf "%-14s%s\n", t, $$0}'

-include $(FUZZ_OBJ:.o=.d) $(FUZZ_SRC:%.c=$(F)/%.d) $(FUZZ_SRC:%.c=$(B)/%.d) $(B)/tests/fuzz/driver.d
