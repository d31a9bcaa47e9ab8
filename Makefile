# Lunette's build. `make help` lists what there is; the binary is build/lunette.
#
# Sources are found by folder, so a new file needs no line here:
#   engine/<room>/**/*.c  -> $(B)/liblunette.a     interp/**/*.c       -> $(B)/lunette
#   stdlib/**/*.lua, engine/store/*.sql -> embedded in both            tests/engine/test_*.c -> programs
#   engine/store/extension.mk lists the files of lunette_sqlite.so (EXTENSION_SOURCES)
#
# Variables:  MODE=release|asan   B=folder of the build   ROOMS="base tensor"  engine rooms to compile
#             KERNELS=onednn|plain  with oneDNN, or with our own kernels alone, in build/plain
#             T="base tensor"  rooms whose tests to build and run   V=1  show commands   WERROR=  warnings only

MODE ?= release
KERNELS ?= onednn
ifeq ($(filter $(MODE),release asan),)
$(error MODE is '$(MODE)': it must be release or asan)
endif
ifeq ($(filter $(KERNELS),onednn plain),)
$(error KERNELS is '$(KERNELS)': it must be onednn or plain)
endif
ONEDNN := $(filter onednn,$(KERNELS))
ROOT_B := build$(if $(ONEDNN),,/plain)
ASAN_B := $(ROOT_B)/asan
B ?= $(if $(filter asan,$(MODE)),$(ASAN_B),$(ROOT_B))

ROOMS ?= $(notdir $(patsubst %/,%,$(sort $(dir $(wildcard engine/*/*.[ch])))))
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
V ?= 0
WERROR ?= -Werror
CC = gcc

BUILD_PACKAGES = gcc libc6-dev make pkg-config liblua5.4-dev libsqlite3-dev nettle-dev libcjson-dev \
                 $(if $(ONEDNN),libdnnl-dev) zlib1g-dev libzip-dev libpng-dev libjpeg62-turbo-dev libedit-dev \
                 libcairo2-dev libpango1.0-dev fonts-dejavu-core
TEST_PACKAGES = libcmocka-dev sqlite3
CHECK_PACKAGES = clang-format cppcheck

# Rooms whose test programs run a second time on the narrower instruction set.
ISA_TESTS = kernels graph layers model train explainers judges onnx

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: all help setup setup-checks demo data test test-build test-engine test-lua test-spec \
        test-conformance test-conformance-fast reproduce-test resume-test deps-check docs-check format format-check lint \
        asan-test fuzz onnx-suite bench-engine bench-gradient fault install uninstall \
        clean FORCE

QUIET = $(if $(filter 0,$(V)),@)
SAY = $(if $(filter 0,$(V)),@echo "  $(1)  $(2)",@:)

# ---------------------------------------------------------------- flags

# Bits are part of the contract: no contraction, nothing of -ffast-math, no -march.
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
           -Wno-format-truncation $(WERROR)
LANGUAGE = -std=c11 -D_GNU_SOURCE -Iengine -ffp-contract=off -fno-math-errno
OPTIMISE_release = -O3 -g1 -fstack-protector-strong
OPTIMISE_asan = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
ALL_CFLAGS = $(LANGUAGE) $(WARNINGS) $(OPTIMISE_$(MODE)) $(CPPFLAGS) $(CFLAGS)
PLAIN_CFLAGS = $(LANGUAGE) $(WARNINGS) $(OPTIMISE_release) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(if $(filter asan,$(MODE)),-fsanitize=address$(,)undefined) -Wl,--as-needed $(LDFLAGS)
, := ,

# pkg-config is asked once, and only when something is compiled: a bare machine has none before setup.
found = $(if $(filter missing,$(1)),$(error a library that Lunette needs is missing: run 'make setup' first),$(1))
ask = $(call found,$(shell pkg-config $(1) 2>/dev/null || echo missing))
once = $(eval $(1) := $(2))$($(1))
ENGINE_CFLAGS = $(call once,ENGINE_CFLAGS,$(call ask,--cflags sqlite3 nettle libcjson zlib libzip libpng libjpeg))
ENGINE_LIBS = $(call once,ENGINE_LIBS,$(call ask,--libs sqlite3 nettle libcjson zlib libzip libpng libjpeg) $(ONEDNN:onednn=-ldnnl -fopenmp) -lpthread -lm)
EXTENSION_LIBS = $(call once,EXTENSION_LIBS,$(call ask,--libs nettle libcjson) -lpthread -lm)
LUA_CFLAGS = $(call once,LUA_CFLAGS,$(call ask,--cflags lua5.4))
LUA_LIBS = $(call once,LUA_LIBS,$(call ask,--libs lua5.4))
EDIT_LIBS = $(call once,EDIT_LIBS,$(call ask,--libs libedit))
DRAW_CFLAGS = $(call once,DRAW_CFLAGS,$(call ask,--cflags cairo pangocairo))
CMOCKA_LIBS = $(call once,CMOCKA_LIBS,$(call ask,--libs cmocka))

# ---------------------------------------------------------------- sources

find = $(sort $(shell find $(1) -name '$(2)' 2>/dev/null))
X86 := $(filter x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null))
engine_sources = $(foreach room,$(1),$(call find,engine/$(room),*.c))
OTHERS = $(if $(X86),,%_avx2.c %_avx512.c %_amx.c) $(if $(ONEDNN),%/library_none.c,engine/kernels/onednn/%)
ENGINE_SOURCES := $(filter-out $(OTHERS),$(call engine_sources,$(ROOMS)))
INTERP_SOURCES := $(call find,interp,*.c)
EMBEDDED := $(call find,stdlib,*.lua) $(call find,engine/store,*.sql)
-include engine/store/extension.mk

ENGINE_OBJECTS := $(ENGINE_SOURCES:%.c=$(B)/obj/%.o) $(B)/obj/embedded.o
INTERP_OBJECTS := $(INTERP_SOURCES:%.c=$(B)/obj/%.o)
TEST_SUPPORT := $(patsubst %.c,$(B)/obj/%.o,$(filter-out tests/engine/test_%,$(wildcard tests/engine/*.c)))
ALL_TESTS := $(sort $(patsubst tests/engine/test_%.c,%,$(wildcard tests/engine/test_*.c)))
T ?= $(ALL_TESTS)
TESTS := $(sort $(foreach name,$(T),$(filter $(name) $(name)_%,$(ALL_TESTS))))
TEST_PROGRAMS := $(TESTS:%=$(B)/tests/test_%)

EXTENSION := $(if $(EXTENSION_SOURCES),$(B)/lunette_sqlite.so)
EXTENSION_OBJECTS := $(EXTENSION_SOURCES:%.c=$(B)/pic/%.o)
LEAF_OBJECTS := $(patsubst %.c,$(B)/pic/%.o,$(call engine_sources,base tensor)) $(B)/pic/embedded.o

all: $(if $(INTERP_SOURCES),$(B)/lunette) $(EXTENSION) ## build the program and the SQLite extension (default)

$(B)/lunette: $(INTERP_OBJECTS) $(B)/liblunette.a
	$(call SAY,LINK,$@)
	$(QUIET)$(CC) $(ALL_LDFLAGS) -Wl,--build-id=sha1 -o $@ $(INTERP_OBJECTS) $(B)/liblunette.a $(LUA_LIBS) $(ENGINE_LIBS) $(EDIT_LIBS) -ldl

$(B)/liblunette.a: $(ENGINE_OBJECTS) $(B)/stamps/engine
	$(call SAY,AR  ,$@)
	$(QUIET)rm -f $@ && ar qcs $@ $(ENGINE_OBJECTS)

# The extension leaves the sanitizers out, so that the plain sqlite3 shell can load it in every mode.
# It has no -lsqlite3: it must call SQLite through the table that its host hands over.
$(B)/lunette_sqlite.so: $(EXTENSION_OBJECTS) $(B)/libleaf.a build-aux/extension.map
	$(call SAY,LINK,$@)
	$(QUIET)$(CC) -shared -Wl,-z,defs -Wl,--as-needed -Wl,--version-script=build-aux/extension.map $(LDFLAGS) \
	    -o $@ $(EXTENSION_OBJECTS) $(B)/libleaf.a $(EXTENSION_LIBS)

$(B)/libleaf.a: $(LEAF_OBJECTS) $(B)/stamps/engine
	$(call SAY,AR  ,$@)
	$(QUIET)rm -f $@ && ar qcs $@ $(LEAF_OBJECTS)

$(B)/obj/engine/store/%.o: EXTRA = -DSQLITE_CORE
$(B)/obj/tests/engine/test_store_%.o: EXTRA = -DSQLITE_CORE
$(B)/obj/interp/%.o: EXTRA = $(LUA_CFLAGS)
# Cairo and Pango are not linked: engine/draw/library.c opens them when something is drawn.
$(B)/obj/engine/draw/%.o: EXTRA = $(DRAW_CFLAGS)
$(B)/obj/engine/kernels/%_avx2.o: EXTRA = -mavx2 -mfma $(CHOOSING)
$(B)/obj/engine/kernels/%_avx512.o: EXTRA = -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma $(CHOOSING)
$(B)/obj/engine/kernels/%_amx.o: EXTRA = -mavx512f -mavx512dq -mavx512bw -mavx512vl -mamx-tile -mamx-bf16
# Loops that compute a number and then choose another become vectors only so.
$(B)/obj/engine/kernels/rules_%.o $(B)/obj/engine/kernels/draws_%.o: CHOOSING = -fno-trapping-math
$(B)/obj/engine/kernels/rules_baseline.o $(B)/obj/engine/kernels/draws_baseline.o: EXTRA = $(CHOOSING)
$(B)/obj/engine/base/parallel.o: EXTRA = $(ONEDNN:onednn=-fopenmp)

$(B)/obj/%.o: %.c $(B)/stamps/flags
	$(call SAY,CC  ,$<)
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(ALL_CFLAGS) $(ENGINE_CFLAGS) $(EXTRA) -MMD -MP -c -o $@ $<

$(B)/pic/%.o: %.c $(B)/stamps/flags
	$(call SAY,PIC ,$<)
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(PLAIN_CFLAGS) -fPIC $(ENGINE_CFLAGS) $(EXTRA) -MMD -MP -c -o $@ $<

$(B)/tests/test_%: $(B)/obj/tests/engine/test_%.o $(TEST_SUPPORT) $(B)/liblunette.a
	$(call SAY,LINK,$@)
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(ALL_LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(B)/liblunette.a $(CMOCKA_LIBS) $(ENGINE_LIBS) -ldl

# Files of the standard library and the schema become C by a small program of our own; modules are compiled besides, which
# the extension has no use for.
$(B)/embed: build-aux/embed.c $(B)/stamps/flags
	$(QUIET)$(CC) $(LANGUAGE) $(WARNINGS) -O1 $(LUA_CFLAGS) -o $@ $< $(LUA_LIBS)

$(B)/generated/embedded.c: $(B)/embed $(EMBEDDED) $(B)/stamps/embedded
	$(call SAY,GEN ,$@)
	@mkdir -p $(@D)
	$(QUIET)$(B)/embed $(EMBEDDED) > $@

$(B)/obj/embedded.o: $(B)/generated/embedded.c
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/pic/embedded.o: $(B)/generated/embedded.c
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(PLAIN_CFLAGS) -fPIC -DLN_WITHOUT_COMPILED -MMD -MP -c -o $@ $<

# Stamps change only when a list or the flags change, so that removing a file rebuilds what held it.
stamp = @mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
$(B)/stamps/flags: FORCE
	$(call stamp,$(CC) $(ALL_CFLAGS))
$(B)/stamps/engine: FORCE
	$(call stamp,$(ENGINE_OBJECTS))
$(B)/stamps/embedded: FORCE
	$(call stamp,$(EMBEDDED))

-include $(shell find $(B)/obj $(B)/pic -name '*.d' 2>/dev/null)

# ---------------------------------------------------------------- first steps

# A plain `make demo` uses every core; a caller's own -j is kept.
jobs = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS))

help: ## list these targets
	@echo "Usage: make [TARGET] [MODE=release|asan] [KERNELS=onednn|plain] [B=FOLDER] [T=\"TESTS\"] [V=1]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' Makefile

setup: ## install the Debian packages that building and testing need (nothing where all are there)
	@sh build-aux/setup $(BUILD_PACKAGES) $(TEST_PACKAGES)

setup-checks: ## install what format-check and lint need
	@sh build-aux/setup $(CHECK_PACKAGES)

demo: setup ## set up, build, and run the first experiment (its store: build/demo.db)
	@$(MAKE) --no-print-directory $(jobs) all
	@$(B)/lunette run experiments/credit.lua --db $(B)/demo.db

# Data sets that experiments may read; no test does. DATA=FOLDER puts them elsewhere.
DATA ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lunette
data: ## bring MNIST and Fashion-MNIST into ~/.cache/lunette (DATA=FOLDER: into another)
	@sh build-aux/data $(DATA)

install: all ## install into PREFIX (/usr/local), below DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/lunette $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(B)/lunette $(DESTDIR)$(PREFIX)/bin/lunette
	install -m 644 $(B)/lunette_sqlite.so $(DESTDIR)$(PREFIX)/lib/lunette/lunette_sqlite.so
	install -m 644 docs/lunette.1 $(DESTDIR)$(PREFIX)/share/man/man1/lunette.1

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/lunette $(DESTDIR)$(PREFIX)/lib/lunette/lunette_sqlite.so
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/lunette.1
	rmdir $(DESTDIR)$(PREFIX)/lib/lunette 2>/dev/null || :

clean: ## remove the build folder
	rm -rf $(B)

# ---------------------------------------------------------------- tests

# A refused allocation is an answer that the tests look at, under the sanitizers too.
export ASAN_OPTIONS ?= allocator_may_return_null=1:detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS ?= print_stacktrace=1
export LSAN_OPTIONS ?= suppressions=$(CURDIR)/tests/checks/leaks.supp:print_suppressions=0
SUITE = sh tests/checks/suite $(B)/counts
SUITES = engine lua spec conformance conformance-fast

test: setup ## build and run every test; the last line is "N passed, M failed"
	@rm -rf $(B)/counts
	@$(MAKE) --no-print-directory $(jobs) -k test-build || :
	@for suite in $(SUITES); do $(MAKE) --no-print-directory test-$$suite || :; done; \
	    sh tests/checks/total $(B)/counts $(SUITES)

test-build: all $(TEST_PROGRAMS)

test-engine: $(TEST_PROGRAMS) ## cmocka programs, by room (T="base tensor" picks some)
	@$(SUITE) engine sh tests/checks/run-engine $(B)/tests "$(ISA_TESTS)" $(TESTS)

test-lua: all ## tests of the standard library in Lua
	@$(SUITE) lua tests/lua/run.sh $(B)/lunette

test-spec: all ## scripts and commands with their expected output
	@$(SUITE) spec tests/spec/run.sh $(B)/lunette

test-conformance: all ## compare with what independent peers compute, where ../shared has it
	@$(SUITE) conformance sh tests/checks/run-conformance $(B)/lunette

test-conformance-fast: all ## the same with numerics fast, within ten times the tolerance
	@$(SUITE) conformance-fast sh tests/checks/run-conformance $(B)/lunette fast

asan-test: ## the engine, Lua and spec tests under the address and undefined sanitizers
	@rm -rf $(ASAN_B)/counts
	@$(MAKE) --no-print-directory $(jobs) -k MODE=asan B=$(ASAN_B) test-build || :
	@for suite in engine lua spec; do \
	    $(MAKE) --no-print-directory MODE=asan B=$(ASAN_B) test-$$suite || :; done; \
	    sh tests/checks/total $(ASAN_B)/counts engine lua spec

# Readers of files against mutated ones; FUZZ="onnx 1000000 42" picks reader, rounds and seed.
FUZZ ?= all 20000 0
FUZZ_OBJECTS := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/fuzz/*.c))
$(B)/obj/tests/fuzz/%.o: EXTRA = -Itests/fuzz
$(B)/fuzz: $(FUZZ_OBJECTS) $(B)/liblunette.a
	$(call SAY,LINK,$@)
	$(QUIET)$(CC) $(ALL_LDFLAGS) -o $@ $(FUZZ_OBJECTS) $(B)/liblunette.a $(ENGINE_LIBS) -ldl

fuzz: ## mutated ONNX, npy, idx, csv, PNG and JPEG files under the sanitizers
	@$(MAKE) --no-print-directory $(jobs) MODE=asan B=$(ASAN_B) $(ASAN_B)/fuzz
	@$(ASAN_B)/fuzz $(FUZZ)

reproduce-test: all ## every experiment run and reproduced, with other --threads: the same bits
	@sh tests/fault/reproduce $(B)/lunette

# RESUME="50 7" picks the number of moments and the seed.
resume-test: all ## a run killed by signal 9 at 50 random moments and resumed: the same bits
	@sh tests/fault/resume $(B)/lunette $(RESUME)

# ONNX's backend cases, e.g. Debian's libonnx-testdata; ONNX_CASES picks those whose path has this part.
ONNX_TESTDATA ?= /usr/share/libonnx-testdata/data
ONNX_CASES ?=
SUITE_OBJECTS := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/onnx-suite/*.c))
$(B)/obj/tests/onnx-suite/%.o: EXTRA = -Itests/onnx-suite
$(B)/onnx-suite: $(SUITE_OBJECTS) $(B)/liblunette.a
	$(call SAY,LINK,$@)
	$(QUIET)$(CC) $(ALL_LDFLAGS) -o $@ $(SUITE_OBJECTS) $(B)/liblunette.a $(ENGINE_LIBS) -ldl

onnx-suite: $(B)/onnx-suite ## ONNX's backend cases in ONNX_TESTDATA=DIR, counted by operator
	@$(B)/onnx-suite $(ONNX_TESTDATA) $(ONNX_CASES)

# What tests/bench/engine.py and gradient.py time; ENGINE_BENCH and GRADIENT_BENCH are their options.
$(B)/obj/tests/bench/%.o: EXTRA = -Itests/bench
$(B)/bench-engine $(B)/bench-explain: $(B)/bench-%: $(B)/obj/tests/bench/%.o $(B)/liblunette.a
	$(call SAY,LINK,$@)
	$(QUIET)$(CC) $(ALL_LDFLAGS) -o $@ $< $(B)/liblunette.a $(ENGINE_LIBS) -ldl

PYTHON ?= python3
bench-engine: $(B)/bench-engine ## forward and gradient passes against PyTorch and ONNX Runtime (PYTHON= has them)
	@$(PYTHON) tests/bench/engine.py $(B)/bench-engine $(ENGINE_BENCH)

bench-gradient: all $(B)/bench-explain ## gradient methods and rules against Captum and Zennit (PYTHON= has them)
	@$(PYTHON) tests/bench/gradient.py $(B) $(GRADIENT_BENCH)

fault: all ## the store: failing allocations and writes in turn, 50 kills, 8 processes that write 500 runs each
	@$(MAKE) --no-print-directory test-engine T="store store_fault store_writer store_process"
	@sh tests/fault/writers.sh $(B)/lunette
	@sh tests/fault/kill.sh $(B)/lunette

# ---------------------------------------------------------------- checks

C_FILES = $(call find,engine interp tests/engine tests/bench tests/fuzz tests/onnx-suite build-aux,*.[ch])

deps-check: ## who includes whom: the rules of docs/architecture.md
	@sh tests/checks/deps-check

docs-check: all ## the pages in docs/ and the tests against the words of the program
	@sh tests/checks/registry-check $(B)/lunette
	@sh tests/checks/docs-check $(B)/lunette

format: ## lay out all C files
	@clang-format -i $(C_FILES)

format-check: ## fail where clang-format would change a file
	@clang-format --dry-run -Werror $(C_FILES)

lint: ## cppcheck over engine and interp
	@mkdir -p $(B)/cppcheck
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
	    --inline-suppr --suppress=missingIncludeSystem --cppcheck-build-dir=$(B)/cppcheck -j $(JOBS) \
	    -D_GNU_SOURCE -D__x86_64__ -DSQLITE_CORE -Iengine $(wildcard engine interp build-aux)
