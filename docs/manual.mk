# redkeep.8, made of its prose and of what the program says of itself; and `make install`. Included by the
# Makefile, whose variables it uses, where it is there: the image is built without.
PREFIX  ?= /usr/local
DESTDIR ?=

$(B)/redkeep.8: docs/redkeep.8.in docs/manual.sh $(B)/redkeep
	$(Q)docs/manual.sh $(B)/redkeep <$< >$@

all: $(B)/redkeep.8

.PHONY: install
install: all ## the program and its manual page (DESTDIR=, PREFIX=/usr/local)
	$(Q)install -D -m 755 $(B)/redkeep $(DESTDIR)$(PREFIX)/bin/redkeep
	$(Q)install -D -m 644 $(B)/redkeep.8 $(DESTDIR)$(PREFIX)/share/man/man8/redkeep.8
