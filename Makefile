# make            build/redkeep            make test       every test (T=name: one module)
# make demo       the main job (S3=1)      make lint       style, layers, static analysis
# SAN=1 ASan+UBSan in build/san, COV=1 coverage in build/cov, CC=clang, V=1 shows the commands
.DEFAULT_GOAL := all
SHELL := /bin/bash
.DELETE_ON_ERROR:

VERSION := 0.1.0
CC      := gcc
V       ?= 0
Q       := $(if $(filter 0,$(V)),@)

B := build$(if $(filter 1,$(SAN)),/san)$(if $(filter 1,$(COV)),/cov)$(if $(findstring clang,$(CC)),/clang)

WARN := -Wall -Wextra -Wpedantic -Werror
WARN += -Wshadow             # two things of one name in one view
WARN += -Wconversion -Wsign-conversion -Wdouble-promotion -Wfloat-equal # silent changes of value
WARN += -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings # casts that lie
WARN += -Wformat=2 -Wundef -Wvla
WARN += -Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes -Wredundant-decls
WARN += -Wswitch-enum -Wimplicit-fallthrough # a new enum value must be thought of everywhere
WARN += -Wnull-dereference -fno-common
ifeq ($(findstring clang,$(CC)),)
WARN += -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wformat-overflow=2 -Wformat-truncation=1
else
WARN += -Wmissing-variable-declarations -Wcomma -Wunreachable-code -Wconditional-uninitialized
endif

PKGS := libcurl libarchive libzstd libcjson libssl libcrypto expat hiredis libmicrohttpd
# hiredis' own pkg-config directory shadows names of ours; system headers are not ours to warn about
PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libcurl libarchive libzstd libssl libcrypto expat 2>/dev/null))
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread -lm

CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DREDKEEP_VERSION='"$(VERSION)"' $(WARN) $(CFLAGS) \
	-fstack-protector-strong -fPIE -ffile-prefix-map=$(CURDIR)=. -MMD -MP -Isidecar -I. $(PKG_CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)
ifeq ($(SAN),1)
ALL_CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ALL_LDFLAGS += -fsanitize=address,undefined
else
ALL_CFLAGS  += -D_FORTIFY_SOURCE=2
endif
ifeq ($(COV),1)
ALL_CFLAGS  += --coverage
ALL_LDFLAGS += --coverage
endif

LIB_SRC  := $(sort $(wildcard sidecar/*/*.c entrypoint/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
SUP_SRC  := $(sort $(wildcard tests/support/*.c))
SUP_OBJ  := $(SUP_SRC:%.c=$(B)/%.o)
UNIT_SRC := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN := $(UNIT_SRC:%.c=$(B)/%)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
BENCH_BIN := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/bench/*.c)))
HEADERS  := $(sort $(wildcard sidecar/*/*.h entrypoint/*.h tests/support/*.h))

.PHONY: all
all: $(B)/redkeep ## build/redkeep, build/redkeep.8

$(B)/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(filter tests/%,$<),-Itests) -c -o $@ $<

$(B)/libsidecar.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(B)/libsupport.a: $(SUP_OBJ)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(B)/redkeep: $(B)/sidecar/main.o $(B)/libsidecar.a
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# WRAP_<test> in the test's own first lines: "// link: -Wl,--wrap=fsync" adds link flags for it
$(UNIT_BIN): $(B)/%: $(B)/%.o $(B)/libsupport.a $(B)/libsidecar.a
	$(Q)$(CC) $(ALL_LDFLAGS) $$(sed -n 's|^// link: ||p' $*.c) -o $@ $^ $(PKG_LIBS) -lcheck -lsubunit -lrt

$(BENCH_BIN): $(B)/%: $(B)/%.o $(B)/libsupport.a $(B)/libsidecar.a
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

-include $(LIB_OBJ:.o=.d) $(SUP_OBJ:.o=.d) $(UNIT_BIN:=.d) $(BENCH_BIN:=.d) $(B)/sidecar/main.d

include $(wildcard docs/*.mk)
include tests/house.mk
include $(sort $(wildcard tests/*/*.mk))
