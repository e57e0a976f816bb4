# The judge of speed. N=5 runs of each contender, ONLY=backup,restore some groups, BIG=1 adds 10 GB.
BENCH_NEEDS := redis-server:redis-server redis-cli:redis-tools rclone:rclone restic:restic \
	zstd:zstd /usr/bin/aws:awscli /usr/bin/python3:python3 gzip:gzip

.PHONY: bench bench-data bench-deps bench-tools
bench: bench-deps bench-tools ## speed and memory beside zstd, rclone, restic and aws
	$(Q)N=$(or $(N),5) ONLY=$(ONLY) BIG=$(BIG) /usr/bin/python3 tests/bench/bench.py $(B)

bench-data: bench-deps bench-tools ## only makes the data (kept in build/bench/data)
	$(Q)BIG=$(BIG) /usr/bin/python3 tests/bench/bench.py $(B) --data

bench-tools: $(BENCH_BIN) $(B)/redkeep

bench-deps:
	$(Q)missing=; for need in $(BENCH_NEEDS); do \
		command -v $${need%%:*} >/dev/null || missing="$$missing $${need##*:}"; done; \
	[ -z "$$missing" ] || { apt-get update -q && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing; }
