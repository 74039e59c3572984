# adit: build, check, install. Users set what stands with ?=; V=1 shows the commands.
CC ?= cc
CLANG ?= clang
PROVE ?= prove
PREFIX ?= /usr/local
DESTDIR ?=
CFLAGS ?= -O2 -g
SAN ?=
KEYLOG ?= 0
VERSION := 0.1.0

LIBS := libconfig openssl libuv liburcu-memb liburcu-cds libnl-route-3.0 expat jansson libcap-ng
comma := ,
SAN_BUILD := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
BUILD := $(SAN_BUILD)$(if $(filter 1,$(KEYLOG)),/keylog)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef
# Instrumented code confuses gcc's guess of how long a text can get.
WARN += $(if $(SAN),-Wno-format-truncation)
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE
# FORTIFY hides from the sanitizers what they are there to see.
HARDEN += $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
LINK_HARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack
# Branches and returns that the processor checks. The linker must be told: the C library's crt1.o lacks the note, which
# would clear it for the whole program.
MACHINE := $(shell $(CC) -dumpmachine)
HARDEN += $(if $(filter x86_64-% i386-% i486-% i586-% i686-%,$(MACHINE)),-fcf-protection=full)
LINK_HARDEN += $(if $(filter x86_64-%,$(MACHINE)),-Wl$(comma)-z$(comma)ibt$(comma)-z$(comma)shstk)
# Inlining across files is worth some percent of throughput: what one packet passes through is many short functions. The
# objects hold plain code as well, for the archive that the tests link.
LTO ?= $(if $(SAN),,$(shell $(CC) -flto=auto -ffat-lto-objects -x c -c -o /dev/null /dev/null 2>/dev/null && \
	echo -flto=auto -ffat-lto-objects))
ALL_CPPFLAGS := -D_GNU_SOURCE -Isrc -DADIT_VERSION='"$(VERSION)"' $(if $(filter 1,$(KEYLOG)),-DADIT_KEYLOG) $(CPPFLAGS)
ALL_CFLAGS := -std=gnu11 $(WARN) $(HARDEN) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) \
	$(shell pkg-config --cflags $(LIBS))
ALL_LDFLAGS := $(LINK_HARDEN) $(LDFLAGS) $(if $(SAN),-fsanitize=$(SAN))
ALL_LIBS := $(shell pkg-config --libs $(LIBS)) -lhttp_parser -pthread

ROOMS := base conf ip crypto wire io session path monitor server client cli
SRCS := $(foreach room,$(ROOMS),$(sort $(wildcard src/$(room)/*.c)))
OBJS := $(SRCS:src/%.c=$(BUILD)/%.o)
LIB_OBJS := $(filter-out $(BUILD)/cli/main.o,$(OBJS))
UNITS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

.PHONY: all bench check unit netns bench-tools script-tests fuzz fuzz-check lint lint-format lint-arrows lint-shell lint-tidy format install uninstall clean
all: $(BUILD)/adit $(BUILD)/adit.conf.5

$(BUILD)/adit: $(OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LTO) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/%.o: src/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(LTO) -MMD -MP -c -o $@ $<

$(BUILD)/unit.a: $(LIB_OBJS)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/unit.a
	$(call say,UNIT,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -Itests/unit -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(BUILD)/unit.a $(ALL_LIBS) -lcmocka

# The manual of the configuration: each line "KEYS role" becomes what the program itself says about every key.
KEYS_TO_MAN := sed 's/\\/\\e/g; s/^\([^:]*\): /.It Ic \1\n/'

$(BUILD)/adit.conf.5: docs/adit.conf.5.in $(BUILD)/adit
	$(call say,MAN,$@)
	$(Q)for role in server client; do \
		$(BUILD)/adit check --keys $$role >$@.keys && $(KEYS_TO_MAN) $@.keys >$@.$$role || exit 1; \
	done
	$(Q)sed -e '/^KEYS server$$/{r $@.server' -e 'd}' -e '/^KEYS client$$/{r $@.client' -e 'd}' $< >$@
	$(Q)rm $@.keys $@.server $@.client

unit: $(UNITS)
	$(Q)CMOCKA_MESSAGE_OUTPUT=TAP $(PROVE) -j 2 --exec '' $(UNITS)

# What records, and packets on their whole way, cost on this machine. Not one of the checks: it judges nothing.
OWN_BENCHES := $(BUILD)/bench/bench_records $(BUILD)/bench/bench_path

bench: $(OWN_BENCHES)
	$(Q)for bench in $^; do $$bench || exit 1; done

$(OWN_BENCHES): $(BUILD)/bench/%: tests/bench/%.c $(BUILD)/unit.a
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -Itests/unit -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(BUILD)/unit.a $(ALL_LIBS)

# Probes that need our objects: the monitor with an engine for tests only, and the kernel's offloads beside ours; the
# general rule below takes none.
OWN_PROBES := $(BUILD)/netns/monitor_probe $(BUILD)/netns/offload_probe

$(OWN_PROBES): $(BUILD)/netns/%: tests/netns/%.c $(BUILD)/unit.a
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -Itests/unit -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(BUILD)/unit.a $(ALL_LIBS)

$(BUILD)/netns/memscan: NETNS_LIBS := -lcrypto

build/netns/refuse_gso.so: tests/netns/refuse_gso.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) -std=gnu11 $(filter-out -Wmissing-prototypes,$(WARN)) -O2 -fPIC -shared -o $@ $<

$(BUILD)/netns/%: tests/netns/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(NETNS_LIBS)

# What scripts/bench measures with
BENCH_TOOLS := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

$(BUILD)/bench/relay: BENCH_LIBS := -pthread
$(BUILD)/bench/tlsload: BENCH_LIBS := -lssl -lcrypto

$(BUILD)/bench/%: tests/bench/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BENCH_LIBS)

bench-tools: $(BENCH_TOOLS)

# Scenarios in network namespaces, as root. Those that need the machine, to load it or to be fast, run alone, those that
# count the losses of stock peers in a pair, the others judge no time that these few beside them could spoil; stall.t says
# nothing under a sanitizer, which slows all, nor lib.t, which is about the helper. The operator's side is the plain build
# everywhere: it is run very often. Fifteen minutes are more than any of them takes.
NETNS_JOBS ?= 4
NETNS_ALONE := $(addprefix tests/netns/,rekey.t stall.t load.t clients.t)
NETNS_PAIR := $(addprefix tests/netns/,ocserv.t openconnect.t)
NETNS_REST := $(filter-out $(NETNS_ALONE) $(NETNS_PAIR) $(if $(SAN),%/lib.t),$(sort $(wildcard tests/netns/*.t)))
NETNS_RUN = ADIT=$(BUILD)/adit ADIT_CTL=build/adit ADIT_KEYLOG=$(SAN_BUILD)/keylog/adit \
	UDPCOUNT=$(BUILD)/netns/udpcount PROBE=$(BUILD)/netns/monitor_probe MEMSCAN=$(BUILD)/netns/memscan \
	OFFLOAD_PROBE=$(BUILD)/netns/offload_probe REFUSE_GSO=build/netns/refuse_gso.so \
	$(PROVE) --exec 'timeout -k 30 900'

netns: $(BUILD)/adit $(BUILD)/netns/udpcount $(BUILD)/netns/memscan build/netns/refuse_gso.so $(OWN_PROBES)
	$(Q)$(MAKE) --no-print-directory KEYLOG=1 all
	$(Q)$(MAKE) --no-print-directory KEYLOG=0 SAN= all
	$(Q)status=0; \
		$(if $(SAN),,$(NETNS_RUN) $(NETNS_ALONE) || status=$$?; $(NETNS_RUN) -j 2 $(NETNS_PAIR) || status=$$?;) \
		$(NETNS_RUN) -j $(NETNS_JOBS) $(NETNS_REST) $(if $(SAN),$(filter-out %/stall.t,$(NETNS_ALONE)) $(NETNS_PAIR)) && exit $$status

script-tests: all $(BUILD)/netns/udpcount $(BENCH_TOOLS)
	$(Q)UDPCOUNT=$(BUILD)/netns/udpcount $(PROVE) -j 2 tests/lint tests/scripts

# Fuzz targets for what strangers and peers send: rooms of pure bytes, and what those need, instrumented, in objects of
# their own.
FUZZ_SECONDS ?= 60
FUZZ_FLAGS := -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all
FUZZ_OBJS := $(patsubst src/%.c,$(BUILD)/fuzz/obj/%.o,$(filter src/base/% src/ip/% src/crypto/% src/wire/%,$(SRCS)))

$(BUILD)/fuzz/obj/%.o: src/%.c
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(ALL_CPPFLAGS) -std=gnu11 $(WARN) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined \
		$(shell pkg-config --cflags expat openssl) -MMD -MP -c -o $@ $<

$(FUZZERS): $(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h $(FUZZ_OBJS)
	$(call say,FUZZ,$@)
	$(Q)$(CLANG) $(ALL_CPPFLAGS) -std=gnu11 $(WARN) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined \
		-o $@ $< $(FUZZ_OBJS) $(shell pkg-config --libs expat openssl) -lhttp_parser

# All side by side, until they are interrupted.
fuzz: $(FUZZERS)
	$(Q)$(MAKE) --no-print-directory -j $(words $(FUZZERS)) FUZZ_SECONDS=0 fuzz-check

# New inputs and crashes stay in the build directory; the corpus in the tree is only read.
FUZZ_RUNS := $(FUZZERS:$(BUILD)/fuzz/fuzz_%=fuzz-run-%)

fuzz-check: $(FUZZ_RUNS)

$(FUZZ_RUNS): fuzz-run-%: $(BUILD)/fuzz/fuzz_%
	$(Q)mkdir -p $(BUILD)/fuzz/corpus/$*
	$(Q)$< -seed=1 -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(BUILD)/fuzz/ \
		$(BUILD)/fuzz/corpus/$* tests/fuzz/corpus/$* >$<.log 2>&1 || \
		{ tail -n 60 $<.log; echo "$< failed"; exit 1; }
	$(Q)echo "$<: $$(grep '^Done' $<.log)"

# Everything, after installing what it needs; as root.
check:
	$(Q)scripts/check

C_FILES = $(shell find src tests -name '*.[ch]')
SHELL_FILES := $(shell grep -rlE '^\#!.*sh$$|^\# shellcheck shell' scripts tests .ci)

lint: lint-format lint-arrows lint-shell lint-tidy

lint-format:
	$(Q)clang-format --dry-run -Werror $(C_FILES)

lint-arrows:
	$(Q)tests/lint/arrows

lint-shell:
	$(Q)shellcheck $(SHELL_FILES)

# Quoted once more, for the shell that xargs starts.
TIDY_FLAGS = -std=gnu11 $(WARN) $(subst ',\",$(subst ",,$(ALL_CPPFLAGS))) $(shell pkg-config --cflags $(LIBS))
# clang-tidy 14 now and then crashes over code that it finds good the next time: a crash is no verdict. And of several files
# it takes names in one for those of another (memcpy for va_copy): each has a run of its own.
lint-tidy:
	$(Q)printf '%s\n' $(SRCS) | xargs -P 2 -n 1 sh -c 'for try in 1 2 3; do \
		clang-tidy --quiet "$$@" -- $(TIDY_FLAGS); status=$$?; \
		[ $$status -ge 128 ] || exit $$status; done; exit $$status' clang-tidy

format:
	$(Q)clang-format -i $(C_FILES)

# What goes where; the units name the program where it is.
BIN := $(PREFIX)/bin
DOC := $(PREFIX)/share/doc/adit
MAN := $(PREFIX)/share/man
UNITS_DIR := $(PREFIX)/lib/systemd/system
DOC_FILES := README.md $(wildcard config/*.conf docs/*.md docs/*.svg docs/*.json)
UNIT_FILES := $(wildcard config/*.service)

install: all
	install -D -m 0755 -t $(DESTDIR)$(BIN) $(BUILD)/adit scripts/adit-pki
	install -D -m 0644 -t $(DESTDIR)$(DOC) $(DOC_FILES)
	install -D -m 0644 -t $(DESTDIR)$(MAN)/man5 $(BUILD)/adit.conf.5
	install -D -m 0644 -t $(DESTDIR)$(MAN)/man8 docs/adit.8 docs/adit-pki.8
	install -D -m 0644 -t $(DESTDIR)$(UNITS_DIR) $(UNIT_FILES)
	sed -i 's|^ExecStart=/usr/local/bin/|ExecStart=$(BIN)/|' $(UNIT_FILES:config/%=$(DESTDIR)$(UNITS_DIR)/%)

uninstall:
	rm -f $(DESTDIR)$(BIN)/adit $(DESTDIR)$(BIN)/adit-pki
	rm -f $(DESTDIR)$(MAN)/man5/adit.conf.5 $(DESTDIR)$(MAN)/man8/adit.8 $(DESTDIR)$(MAN)/man8/adit-pki.8
	rm -f $(UNIT_FILES:config/%=$(DESTDIR)$(UNITS_DIR)/%)
	rm -rf $(DESTDIR)$(DOC)

clean:
	rm -rf build

-include $(OBJS:.o=.d) $(UNITS:=.d) $(OWN_PROBES:=.d) $(OWN_BENCHES:=.d) $(FUZZ_OBJS:.o=.d)
