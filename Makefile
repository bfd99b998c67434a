# SPDX-License-Identifier: MIT
#
# make            build the tools into bin/
# make demo       see it: a VM is checkpointed while it runs, killed, and started again, twice
# make check      build, then unit tests and tests of the tools on real VMs
# make check-mplcr MPLCR_QEMU=/path/to/qemu-system-x86_64
#                 the tests of the engine mplcr on a genuine MPLCR-patched QEMU, not on its stand-in
# make bench      measure, side by side with QEMU's own ways (minutes)
# make lint       man pages, completions, --help, shell scripts
# make fuzz       libFuzzer targets, FUZZ_SECONDS each (needs clang)
# make deps       install what is missing (apt), or say what to install
# make install    PREFIX=/usr/local, DESTDIR=
# make clean      remove what was built; the QEMU and Linux that tests fetched stay (make distclean)
#
# V=1 shows commands; SANITIZE=address,undefined builds beside the normal build; QEMU=/path tests with that QEMU;
# T=file.bats or F=regex limits make check.

TOOLS    := $(patsubst src/%/main.c,%,$(wildcard src/mplcr-*/main.c))
CC       ?= gcc
PREFIX   ?= /usr/local
SANITIZE ?=
FUZZ_SECONDS ?= 60

ifeq ($(SANITIZE),)
BUILD := build/default
BIN   := bin
else
comma := ,
BUILD := build/$(subst $(comma),-,$(SANITIZE))
BIN   := $(BUILD)/bin
SANITIZE_FLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Wall -Wextra -Werror -Wmissing-prototypes -Wshadow \
             -Wstrict-prototypes -Isrc/common -pthread -MMD -MP $(CFLAGS) $(SANITIZE_FLAGS)
ALL_LDFLAGS = -pthread -Wl,--as-needed $(LDFLAGS) $(SANITIZE_FLAGS)
LIBS     := -ljansson -lzstd -lxxhash -lbtrfsutil -lsodium -lm

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

LIB      := $(BUILD)/libmplcr.a
# The sources of a folder of src and of the rooms in it.
sources   = $(sort $(shell find src/$(1) -name '*.c'))
objects   = $(patsubst src/%.c,$(BUILD)/%.o,$(1))
LIB_OBJS := $(call objects,$(call sources,common))
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
CORPORA  := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
STANDIN  := $(BUILD)/tests/tools/mplcr-standin
HELPERS  := $(patsubst tests/tools/%.c,$(BUILD)/tests/tools/%,$(wildcard tests/tools/*.c)) $(STANDIN)
BENCHES  := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))
GUEST    := $(abspath $(BUILD))/tests/guest/guest.elf

.PHONY: all help deps demo check check-mplcr bench lint fuzz install clean distclean test-programs guest
all: $(TOOLS:%=$(BIN)/%)

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile

# Every object is built from a source under src/ or tests/; .d files beside them know the headers.
$(BUILD)/%.o: src/%.c | deps-build
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Isrc/$(firstword $(subst /, ,$*)) -c $< -o $@

# q, not r: files of two rooms may have the same name.
$(LIB): $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar qcs $@ $^

define tool_rules
$(BIN)/$(1): $(call objects,$(call sources,$(1))) $(LIB)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(ALL_LDFLAGS) $$^ -o $$@ $$(LIBS)
endef
$(foreach tool,$(TOOLS),$(eval $(call tool_rules,$(tool))))

# Tests of files that belong to one tool see that tool's objects, all but its main.c.
TOOL_PARTS := $(call objects,$(filter-out %/main.c,$(foreach tool,$(TOOLS),$(call sources,$(tool)))))
$(BUILD)/libparts.a: $(TOOL_PARTS)
	$(Q)rm -f $@ && ar qcs $@ $^

$(BUILD)/bench/%: bench/%.c $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Itests/unit $< $(LIB) -o $@ $(ALL_LDFLAGS) $(LIBS)

$(BUILD)/tests/%: tests/%.c $(BUILD)/libparts.a $(LIB)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Isrc -Itests/unit $< $(BUILD)/libparts.a $(LIB) -o $@ $(ALL_LDFLAGS) $(LIBS)

$(BUILD)/tests/tools/fake-qmp: tests/tools/qmp-end.h

$(STANDIN): $(wildcard tests/tools/mplcr-standin/*.[ch]) tests/tools/qmp-end.h
	$(call say,CC,$(@F))
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(filter %.c,$^) -o $@ $(ALL_LDFLAGS) $(LIBS)

guest: | deps-build
	$(Q)$(MAKE) --no-print-directory -s -C tests/guest OUT=$(dir $(GUEST))

test-programs: $(UNITS) $(CORPORA) $(HELPERS) guest

.PHONY: deps-build deps-demo deps-check
deps: deps-check
deps-build deps-demo deps-check: deps-%:
	$(Q)tests/setup/deps.sh $*

demo: all guest | deps-demo
	$(Q)BIN=$(abspath $(BIN)) BUILD=$(abspath $(BUILD)) GUEST=$(GUEST) tests/demo

# What tests are given: see tests/bats/helpers.bash. What they fetch is kept in build/, whatever is built.
CACHE    := $(abspath build)
TEST_ENV = BIN=$(abspath $(BIN)) BUILD=$(abspath $(BUILD)) CACHE=$(CACHE) GUEST=$(GUEST) SANITIZE=$(SANITIZE) \
           QEMU10=$(CACHE)/qemu10/qemu-system-x86_64 LINUX_DIR=$(CACHE)/linux QMP=$(abspath $(BUILD))/tests/tools/qmp

.PHONY: fetched
fetched: | deps-check
	$(Q)tests/setup/qemu10.sh $(CACHE)/qemu10
	$(Q)tests/setup/linux.sh $(CACHE)/linux

check: deps-check fetched all test-programs lint
	$(Q)$(TEST_ENV) tests/run $(if $(F),-f '$(F)') $(T)

check-mplcr: $(if $(MPLCR_QEMU),deps-check fetched all test-programs)
	$(Q)[ -x "$(MPLCR_QEMU)" ] || \
		{ echo "usage: make check-mplcr MPLCR_QEMU=/path/to/qemu-system-x86_64, with the MPLCR patch" >&2; exit 2; }
	$(Q)$(TEST_ENV) MPLCR_QEMU=$(abspath $(MPLCR_QEMU)) tests/run $(if $(F),-f '$(F)') tests/bats/mplcr.bats tests/bats/mplcr-traps.bats

bench: all guest $(BENCHES) $(HELPERS) fetched | deps-check
	$(Q)$(TEST_ENV) bench/run
	$(Q)$(TEST_ENV) bench/trace
	$(Q)$(TEST_ENV) bench/disks
	$(Q)$(TEST_ENV) bench/snap
	$(Q)$(TEST_ENV) bench/chain

lint: all | deps-check
	$(Q)BIN=$(abspath $(BIN)) tests/lint $(TOOLS)

# A target that is named after a tool (fuzz_trace) sees the tool's files, too.
fuzz:
	$(Q)mkdir -p build/fuzz
	$(Q)for target in $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c)); do \
		clang -std=c11 -D_GNU_SOURCE -O1 -g -Isrc/common -Isrc -DMPLCR_FUZZ \
			-fsanitize=fuzzer,address,undefined tests/fuzz/$$target.c $(call sources,common) \
			$$(find src/mplcr-$${target#fuzz_} -name '*.c' ! -name main.c 2>/dev/null) \
			-o build/fuzz/$$target -pthread $(LIBS) && \
		mkdir -p build/fuzz/corpus-$$target && \
		build/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) build/fuzz/corpus-$$target \
			tests/fuzz/corpus/$${target#fuzz_} || exit 1; done

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
		$(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d \
		$(DESTDIR)$(PREFIX)/share/mplcr/contrib
	install -m 755 $(TOOLS:%=$(BIN)/%) $(DESTDIR)$(PREFIX)/bin
	for n in 1 5 7; do install -m 644 man/*.$$n $(DESTDIR)$(PREFIX)/share/man/man$$n; done
	install -m 644 contrib/* $(DESTDIR)$(PREFIX)/share/mplcr/contrib
	for t in $(TOOLS); do \
		install -m 644 completions/$$t.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$t && \
		install -m 644 completions/_$$t $(DESTDIR)$(PREFIX)/share/zsh/site-functions && \
		install -m 644 completions/$$t.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d || exit 1; done

clean:
	rm -rf bin build/default build/address* build/undefined* build/thread*

distclean: clean
	rm -rf build

-include $(LIB_OBJS:.o=.d) $(TOOL_PARTS:.o=.d) $(TOOLS:%=$(BUILD)/%/main.d)
