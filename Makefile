# SPDX-License-Identifier: MIT
#
# make            compile the tools into bin/; installs nothing, names what is missing
# make demo       see it: a VM is checkpointed while it runs, killed, and started again, twice
# make check      build, then unit tests and tests of the tools on real VMs
# make check-mplcr MPLCR_QEMU=/path/to/qemu-system-x86_64
#                 the tests of the engine mplcr on a genuine MPLCR-patched QEMU, not on its stand-in
# make check-libvirt
#                 whether libvirt restores what mplcr-state writes for it
# make torture    the fault matrix, of which make check runs a part: docs/reliability.md (hours; CELLS=, SEED= and F= limit it)
# make powercut   what power cuts leave behind: docs/reliability.md (an hour; POINTS=, SEED=, T= and F= limit it)
# make bench      measure, side by side with QEMU's own ways (minutes); B=disks: that part alone, bench/disks
# make lint       man pages, completions, --help, shell scripts, floors
# make fuzz       libFuzzer targets, FUZZ_SECONDS (60) or FUZZ_RUNS each (needs clang); make fuzz-qmp: that one
# make deps       install the packages that are missing (root, apt); demo, check, lint and bench begin with that
# make install    PREFIX=/usr/local, DESTDIR=; make uninstall removes what it put there
# make dist       mplcr-VERSION.tar.xz of what is committed
# make clean      remove what was built; the QEMU and Linux that tests fetched stay (make distclean)
#
# V=1 shows commands; SANITIZE=address,undefined builds beside the normal build; QEMU=/path tests with that QEMU;
# T=file.bats or F=regex limits make check.  CC, PKG_CONFIG, CPPFLAGS, CFLAGS, LDFLAGS and LDLIBS are honoured and come
# last; other ones build anew.  WERROR= lets warnings pass, HARDENING= and HARDENING_LD= leave the hardening to you.

TOOLS    := $(patsubst src/%/main.c,%,$(wildcard src/mplcr-*/main.c))
PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
DATADIR  ?= $(PREFIX)/share
MANDIR   ?= $(DATADIR)/man
VERSION  := $(shell sed -n 's/^\#define MPLCR_VERSION "\(.*\)"/\1/p' src/common/*/*.h)
SANITIZE ?=
FUZZ_RUNS ?=
FUZZ_SECONDS ?= $(if $(FUZZ_RUNS),0,60)

comma    := ,
ifeq ($(SANITIZE),)
BUILD := build/default
BIN   := bin
else
BUILD := build/$(subst $(comma),-,$(SANITIZE))
BIN   := $(BUILD)/bin
SANITIZE_FLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

# --- compiler and linker ---------------------------------------------------------------------------------------------

PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O2 -g
WERROR     ?= -Werror

# The libraries.  Those of LOADED are opened when they are needed (base/library.h): only their headers are used here.
LINKED := jansson libzstd libxxhash libbtrfsutil libsodium
LOADED := libnbd libqcow

# once, NAME, COMMAND: what a command says, asked for when it is first needed.
once       = $(eval $(1) := $(shell $(2)))$($(1))
LIB_CFLAGS = $(call once,LIB_CFLAGS,$(PKG_CONFIG) --cflags $(LINKED) $(LOADED) 2>/dev/null)
LIB_LIBS   = $(call once,LIB_LIBS,$(PKG_CONFIG) --libs $(LINKED) 2>/dev/null)
LIBS       = $(LIB_LIBS) -lm $(LDLIBS)

# Fortified as far as the compiler can: only with optimization, not under sanitizers, and not if your flags speak of it.
OPTIMIZED  = $(filter-out -O0,$(lastword $(filter -O%,$(CFLAGS))))
FORTIFY    = $(if $(SANITIZE)$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,$(if $(OPTIMIZED),$(FORTIFIED)))
FORTIFIED  = $(call once,FORTIFIED,echo -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$$( \
             echo 'unsigned long f(void *p) { return __builtin_dynamic_object_size(p$(comma) 0); }' | \
             $(CC) -Werror -S -x c -o /dev/null - 2>/dev/null && echo 3 || echo 2))
# Shadow stacks and landing pads exist on some processors only.
PROTECT    = $(call once,PROTECT,for f in -fstack-clash-protection -fcf-protection; do \
             $(CC) -Werror $$f -S -x c -o /dev/null /dev/null 2>/dev/null && echo $$f; done)
HARDENING    = -fPIE -fstack-protector-strong $(PROTECT) $(FORTIFY)
HARDENING_LD = -pie -Wl,-z,relro,-z,now

ALL_CFLAGS  = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Wall -Wextra $(WERROR) -Wmissing-prototypes -Wshadow \
              -Wstrict-prototypes -Isrc/common -pthread -MMD -MP $(HARDENING) $(LIB_CFLAGS) $(SANITIZE_FLAGS) \
              $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pthread -Wl,--as-needed $(HARDENING_LD) $(SANITIZE_FLAGS) $(LDFLAGS)

# --- what is built ----------------------------------------------------------------------------------------------------

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
FAULTS   := $(BUILD)/tests/torture/faults.so
BLOCKLOG := $(BUILD)/tests/powercut/blocklog.so
HELPERS  := $(patsubst tests/tools/%.c,$(BUILD)/tests/tools/%,$(wildcard tests/tools/*.c)) $(STANDIN) $(FAULTS)
BENCHES  := $(patsubst bench/%.c,$(BUILD)/bench/%,$(wildcard bench/*.c))
GUEST    := $(abspath $(BUILD))/tests/guest/guest.elf

# What shells load to complete command lines: each tool prints it, from its own option tables.
COMPLETIONS := $(foreach tool,$(TOOLS),$(addprefix $(BUILD)/completions/,$(tool).bash _$(tool) $(tool).fish))

.PHONY: all help deps demo check check-mplcr check-libvirt torture powercut bench lint fuzz install uninstall dist clean distclean test-programs guest
.PHONY: FORCE
all: $(TOOLS:%=$(BIN)/%) $(COMPLETIONS)

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile

# Goals that install what is missing do so before anything is built.
INSTALLING := $(if $(filter check check-mplcr bench lint,$(MAKECMDGOALS)),deps-check)
INSTALLING += $(if $(filter demo,$(MAKECMDGOALS)),deps-demo)

# What all of this was built with: it changes when compiler or flags do, and what depends on it is built anew.  What is
# missing to build is found here, too.
FLAGS = '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LIBS))'
$(BUILD)/flags: FORCE | $(INSTALLING)
	$(Q)CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' tests/setup/deps.sh build $(LINKED) $(LOADED)
	$(Q)mkdir -p $(@D) && { printf '%s\n' $(FLAGS) | cmp -s - $@ || printf '%s\n' $(FLAGS) >$@; }

# Every object is built from a source under src/ or tests/; .d files beside them know the headers.
$(BUILD)/%.o: src/%.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Isrc/$(firstword $(subst /, ,$*)) -c $< -o $@

# q, not r: files of two rooms may have the same name.
$(LIB): $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

define tool_rules
$(BIN)/$(1): $(call objects,$(call sources,$(1))) $(LIB)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(ALL_LDFLAGS) $$^ -o $$@ $$(LIBS)
endef
$(foreach tool,$(TOOLS),$(eval $(call tool_rules,$(tool))))

completion = mkdir -p $(@D) && $< --completion $(1) >$@.new && mv $@.new $@
$(BUILD)/completions/%.bash: $(BIN)/%
	$(call say,GEN,$@)
	$(Q)$(call completion,bash)
$(BUILD)/completions/_%: $(BIN)/%
	$(call say,GEN,$@)
	$(Q)$(call completion,zsh)
$(BUILD)/completions/%.fish: $(BIN)/%
	$(call say,GEN,$@)
	$(Q)$(call completion,fish)

# Tests of files that belong to one tool see that tool's objects, all but its main.c.
TOOL_PARTS := $(call objects,$(filter-out %/main.c,$(foreach tool,$(TOOLS),$(call sources,$(tool)))))
$(BUILD)/libparts.a: $(TOOL_PARTS)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

$(BUILD)/bench/%: bench/%.c $(LIB) $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Itests/unit $< $(LIB) -o $@ $(ALL_LDFLAGS) $(LIBS)

$(BUILD)/tests/%: tests/%.c $(BUILD)/libparts.a $(LIB) $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) -Isrc -Itests/unit $< $(BUILD)/libparts.a $(LIB) -o $@ $(ALL_LDFLAGS) $(LIBS)

# Tests of a tool with rooms see its headers by their rooms.
$(BUILD)/tests/unit/test_trace_% $(BUILD)/tests/fuzz/fuzz_trace: private ALL_CFLAGS += -Isrc/mplcr-trace
$(BUILD)/tests/unit/test_chain_journal $(BUILD)/tests/fuzz/fuzz_journal: private ALL_CFLAGS += -Isrc/mplcr-chain
$(BUILD)/tests/fuzz/fuzz_commandline: private ALL_CFLAGS += -Isrc/mplcr-restore
$(BUILD)/tests/fuzz/fuzz_pack: private ALL_CFLAGS += -Isrc/mplcr-state

$(STANDIN): $(wildcard tests/tools/mplcr-standin/*.[ch]) tests/tools/qmp-end.h $(BUILD)/flags
	$(call say,CC,$(@F))
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CFLAGS) $(filter %.c,$^) -o $@ $(ALL_LDFLAGS) $(LIBS)

# It goes before the C library in programs of any build: with plain flags.
$(FAULTS): tests/torture/faults.c tests/tools/kill-both.h $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra $(WERROR) -fPIC -shared $< -o $@

# A plugin of nbdkit, which make powercut installs.
$(BLOCKLOG): tests/powercut/blocklog.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra $(WERROR) -fPIC -shared \
		$(shell $(PKG_CONFIG) --cflags nbdkit) $< -o $@

guest: $(BUILD)/flags
	$(Q)$(MAKE) --no-print-directory -s -C tests/guest OUT=$(dir $(GUEST))

test-programs: $(UNITS) $(CORPORA) $(HELPERS) guest

# --- what is missing, and what tests --------------------------------------------------------------------------------

.PHONY: deps-demo deps-check deps-libvirt deps-powercut fetched
deps: deps-check
deps-demo deps-check deps-libvirt deps-powercut: deps-%:
	$(Q)tests/setup/deps.sh install $*

demo: all guest | deps-demo
	$(Q)BIN=$(abspath $(BIN)) BUILD=$(abspath $(BUILD)) GUEST=$(GUEST) tests/demo

# What tests are given: see tests/bats/helpers.bash. What they fetch is kept in build/, whatever is built.
CACHE    := $(abspath build)
TEST_ENV = BIN=$(abspath $(BIN)) BUILD=$(abspath $(BUILD)) CACHE=$(CACHE) GUEST=$(GUEST) SANITIZE=$(SANITIZE) \
           QEMU10=$(CACHE)/qemu10/qemu-system-x86_64 LINUX_DIR=$(CACHE)/linux QMP=$(abspath $(BUILD))/tests/tools/qmp

fetched: | deps-check
	$(Q)tests/setup/qemu10.sh $(CACHE)/qemu10
	$(Q)tests/setup/linux.sh $(CACHE)/linux

check: fetched all test-programs lint
	$(Q)$(TEST_ENV) tests/run $(if $(F),-f '$(F)') $(T)

check-mplcr: $(if $(MPLCR_QEMU),fetched all test-programs)
	$(Q)[ -x "$(MPLCR_QEMU)" ] || \
		{ echo "usage: make check-mplcr MPLCR_QEMU=/path/to/qemu-system-x86_64, with the MPLCR patch" >&2; exit 2; }
	$(Q)$(TEST_ENV) MPLCR_QEMU=$(abspath $(MPLCR_QEMU)) tests/run $(if $(F),-f '$(F)') \
		tests/bats/mplcr.bats tests/bats/mplcr-traps.bats

check-libvirt: deps-libvirt all test-programs
	$(Q)$(TEST_ENV) tests/run tests/libvirt/state-virsh.bats

# What torture.bats runs a part of in `make check`, whole: docs/reliability.md. SEED= and CELLS= choose.
torture: fetched all test-programs
	$(Q)$(TEST_ENV) TORTURE_CELLS=$(or $(CELLS),all) TORTURE_SEED=$(SEED) FILE_TIMEOUT=36000 \
		tests/run $(if $(F),-f '$(F)') tests/bats/torture.bats

# The power goes while images are changed: docs/reliability.md. POINTS= and SEED= choose, POINT= repeats one. In a mount
# name space of its own: in a copy of ours that somebody else makes, a file system would stay mounted.
powercut: deps-powercut fetched all test-programs $(BUILD)/tests/powercut/replay $(BLOCKLOG)
	$(Q)$(TEST_ENV) POINTS=$(POINTS) SEED=$(SEED) POINT=$(POINT) FILE_TIMEOUT=36000 \
		unshare --mount tests/run $(if $(F),-f '$(F)') $(or $(T),$(wildcard tests/powercut/*.bats))

bench: fetched all guest $(BENCHES) $(HELPERS)
	$(Q)for part in $(or $(B),run trace disks incremental undo snap chain); do $(TEST_ENV) bench/$$part || exit 1; done

lint: all | deps-check
	$(Q)BIN=$(abspath $(BIN)) tests/lint $(TOOLS)

# A target that is named after a tool (fuzz_trace) sees the tool's files, too; so do these.
fuzzed_tool_journal := chain
fuzzed_tool_seal := chain
fuzzed_tool_qmp := trigger
fuzzed_tool_commandline := restore
fuzzed_tool_pack := state
fuzzed_tool = $(or $(fuzzed_tool_$*),$*)
fuzz: $(patsubst tests/fuzz/fuzz_%.c,fuzz-%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz-%: tests/fuzz/fuzz_%.c
	$(Q)command -v clang >/dev/null || { echo "make fuzz needs clang, with libclang-rt of its version" >&2; exit 1; }
	$(Q)mkdir -p build/fuzz/corpus-fuzz_$*
	$(call say,CLANG,$<)
	$(Q)clang -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -O1 -g -Isrc/common -Isrc -Isrc/mplcr-$(fuzzed_tool) -DMPLCR_FUZZ \
		-fsanitize=fuzzer,address,undefined $(LIB_CFLAGS) $< $(call sources,common) \
		$(filter-out %/main.c,$(if $(wildcard src/mplcr-$(fuzzed_tool)),$(call sources,mplcr-$(fuzzed_tool)))) \
		-o build/fuzz/fuzz_$* -pthread $(LIBS)
	$(Q)build/fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) $(FUZZ_RUNS:%=-runs=%) -print_final_stats=1 \
		build/fuzz/corpus-fuzz_$* tests/fuzz/corpus/$*

# --- installing and giving away ---------------------------------------------------------------------------------------

# $(call installed,ACTION): the action, called with mode, folder and files, for all that is installed.
installed = \
	$(call $(1),755,$(BINDIR),$(TOOLS:%=$(BIN)/%)) && \
	$(call $(1),644,$(MANDIR)/man1,$(wildcard man/*.1)) && \
	$(call $(1),644,$(MANDIR)/man5,$(wildcard man/*.5)) && \
	$(call $(1),644,$(MANDIR)/man7,$(wildcard man/*.7)) && \
	$(call $(1),644,$(DATADIR)/bash-completion/completions,$(filter %.bash,$(COMPLETIONS))) && \
	$(call $(1),644,$(DATADIR)/zsh/site-functions,$(filter $(BUILD)/completions/_%,$(COMPLETIONS))) && \
	$(call $(1),644,$(DATADIR)/fish/vendor_completions.d,$(filter %.fish,$(COMPLETIONS))) && \
	$(call $(1),644,$(DATADIR)/mplcr/contrib,$(wildcard contrib/*.*)) && \
	$(call $(1),644,$(DATADIR)/mplcr/contrib/systemd,$(wildcard contrib/systemd/*))

put    = install -d '$(DESTDIR)$(2)' && install -m $(1) $(3) '$(DESTDIR)$(2)'
remove = rm -f $(foreach file,$(notdir $(3)),'$(DESTDIR)$(2)/$(file)')
tidy   = { [ ! -d '$(DESTDIR)$(2)' ] || (cd '$(DESTDIR)/' && rmdir -p --ignore-fail-on-non-empty '$(2:/%=%)'); }
OWN   := $(DATADIR)/mplcr

install: all
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)$(call installed,put)

# Folders below DESTDIR go when they are empty; those of a system stay, but for our own.
uninstall:
	$(call say,REMOVE,$(DESTDIR)$(PREFIX))
	$(Q)$(call installed,remove)
	$(Q)$(if $(DESTDIR),$(call installed,tidy),[ ! -d '$(OWN)' ] || \
		rmdir --ignore-fail-on-non-empty '$(OWN)/contrib/systemd' '$(OWN)/contrib' '$(OWN)')

# The same commit gives the same bytes.
DIST := mplcr-$(VERSION)
dist:
	$(Q)[ -z "$$(git status --porcelain)" ] || echo "make dist: what is not committed is not in it" >&2
	$(Q)git -c tar.umask=0022 archive --format=tar --prefix=$(DIST)/ --output=$(DIST).tar HEAD
	$(Q)xz --force --threads=1 -9 $(DIST).tar
	@echo $(DIST).tar.xz

clean:
	rm -rf bin build/default build/address* build/undefined* build/thread* build/fuzz/fuzz_*

distclean: clean
	rm -rf build mplcr-*.tar.xz

-include $(shell find $(BUILD) -name '*.d' -type f ! -path '*/guest.d/*' 2>/dev/null)
