# SPDX-License-Identifier: Apache-2.0
# redw. `make demo` runs the main job, `make test` passes the tests; each installs what it needs first
# and needs nothing before it. `make help` lists the targets. Everything built goes under build/.
# Variables: CC, CFLAGS, PREFIX, DESTDIR, LIBDIR.

VERSION := 0.1.0
SONAME  := libredw.so.0.1
ifeq ($(origin CC),default)
CC      := gcc
endif
CXX     ?= g++
CLANG   ?= clang
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
CFLAGS  ?= -O2 -g

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes \
        -Wvla -Wundef -Wpointer-arith -Wwrite-strings -Werror
LANG := -std=c11 -fPIC -fvisibility=hidden -fno-strict-aliasing
CPPFLAGS += -D_GNU_SOURCE -Iinclude
TEST_CPPFLAGS := -Isrc -Itests -isystem /usr/include/postgresql
LIBS      := -lssl -lcrypto -lev -lcares
TEST_LIBS := -lcheck -lsubunit -lm -lrt -lpthread -lpq $(LIBS)

# A variant is a tree of objects of its own: build/gcc-asan/...
SAN_plain :=
SAN_asan  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1
SAN_tsan  := -fsanitize=thread -O1
SAN_cov   := --coverage -O0
VARIANTS  := plain asan tsan cov
VARIANT   ?= plain
tree       = build/$(notdir $(CC))-$(1)
B         := $(call tree,$(VARIANT))

LIB_SRC  := $(sort $(wildcard src/wire/*.c src/data/*.c src/pool/*.c src/query/*.c))
SUP_SRC  := $(sort $(wildcard tests/support/*.c))
TEST_SRC := $(sort $(wildcard tests/wire/test_*.c tests/data/test_*.c tests/pool/test_*.c tests/query/test_*.c \
                              tests/api/test_*.c))
# Examples that are programs of their own; the others are parts of a host and run inside tests/api/test_example_*.
EXAMPLES := hello export_tsv demo poll_loop
PUBLIC   := $(sort $(wildcard include/*.h include/redw/*.h))
test_bins = $(TEST_SRC:%.c=$(call tree,$(1))/%)

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:

.PHONY: all
all: $B/libredw.a $B/$(SONAME) $B/redw.pc  ## the static and the shared library

define variant_rules
$(call tree,$(1))/src/%.o: src/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(LANG) $$(CFLAGS) $$(WARN) $$(SAN_$(1)) $$(CPPFLAGS) -Isrc -MMD -MP -c $$< -o $$@

$(call tree,$(1))/tests/%.o: tests/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(LANG) $$(CFLAGS) $$(WARN) -Wno-pedantic $$(SAN_$(1)) $$(CPPFLAGS) $$(TEST_CPPFLAGS) -MMD -MP -c $$< -o $$@

$(call tree,$(1))/libredw.a: $$(LIB_SRC:%.c=$(call tree,$(1))/%.o)
	rm -f $$@ && $$(AR) rcs $$@ $$^

$(call tree,$(1))/libsupport.a: $$(SUP_SRC:%.c=$(call tree,$(1))/%.o)
	rm -f $$@ && $$(AR) rcs $$@ $$^

$(call tree,$(1))/tests/%: $(call tree,$(1))/tests/%.o $(call tree,$(1))/libsupport.a $(call tree,$(1))/libredw.a
	$$(CC) $$(SAN_$(1)) $$(CFLAGS) $$(LDFLAGS) $$< $(call tree,$(1))/libsupport.a $(call tree,$(1))/libredw.a $$(TEST_LIBS) -o $$@

$(call tree,$(1))/$$(SONAME): $$(LIB_SRC:%.c=$(call tree,$(1))/%.o) src/libredw.map
	$$(CC) -shared $$(SAN_$(1)) $$(CFLAGS) $$(LDFLAGS) -Wl,-soname,$$(SONAME) -Wl,--version-script,src/libredw.map \
		-Wl,-z,relro,-z,now -Wl,--no-undefined -o $$@ $$(filter %.o,$$^) $$(LIBS)
	ln -sf $$(SONAME) $$(@D)/libredw.so

$(call tree,$(1))/redw.pc: src/redw.pc.in Makefile
	@mkdir -p $$(@D)
	sed -e 's|@PREFIX@|$$(PREFIX)|' -e 's|@LIBDIR@|$$(LIBDIR)|' -e 's|@VERSION@|$$(VERSION)|' $$< > $$@

$(call tree,$(1))/examples/%: examples/%.c $(call tree,$(1))/libredw.a
	@mkdir -p $$(@D)
	$$(CC) $$(LANG) $$(CFLAGS) $$(WARN) -Wno-missing-prototypes $$(SAN_$(1)) $$(CPPFLAGS) $$< $(call tree,$(1))/libredw.a $$(LIBS) -lm -lpthread -o $$@

-include $$(LIB_SRC:%.c=$(call tree,$(1))/%.d) $$(SUP_SRC:%.c=$(call tree,$(1))/%.d) $$(TEST_SRC:%.c=$(call tree,$(1))/%.d)
endef
$(foreach v,$(VARIANTS),$(eval $(call variant_rules,$(v))))

# ---- tests ------------------------------------------------------------------------------------------
.PHONY: deps deps-demo tests check asan tsan memory test
deps: ; scripts/deps.sh test  ## installs the Debian packages that tests and bench need
deps-demo: ; scripts/deps.sh demo

tests: $(call test_bins,$(VARIANT))  ## builds the test programs of VARIANT

check: $(call test_bins,plain) $(EXAMPLES:%=$(call tree,plain)/examples/%)  ## runs the plain tests
	scripts/with_pg.sh tests/run.sh $(call tree,plain) $(call test_bins,plain)

asan: $(call test_bins,asan) $(EXAMPLES:%=$(call tree,asan)/examples/%)  ## runs the tests under ASan and UBSan
	scripts/with_pg.sh tests/run.sh $(call tree,asan) $(call test_bins,asan)

tsan: $(call tree,tsan)/tests/api/test_threads $(call tree,tsan)/tests/api/test_loops  ## runs the thread tests under TSan
	scripts/with_pg.sh tests/run.sh $(call tree,tsan) $^

memory: $(call tree,plain)/tests/api/test_memory  ## streams ten million rows slowly, in each way: about half an hour
	REDW_MEMORY_ROWS=$(or $(ROWS),10000000) scripts/with_pg.sh $<

# Every file also compiles without a warning under clang.
CLANG_STAMPS := $(patsubst %.c,build/clang-lint/%.ok,$(LIB_SRC) $(SUP_SRC) $(TEST_SRC) $(wildcard examples/*.c))
build/clang-lint/%.ok: %.c $(PUBLIC) $(wildcard src/*/*.h)
	@mkdir -p $(@D)
	$(CLANG) $(LANG) $(WARN) $(if $(filter tests/%,$<),-Wno-pedantic) $(if $(filter examples/%,$<),-Wno-missing-prototypes) $(CPPFLAGS) $(TEST_CPPFLAGS) -fsyntax-only $< && touch $@

.PHONY: lint structure
lint: $(CLANG_STAMPS) structure  ## clang warnings, cppcheck, structure checks
	cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --suppress=missingIncludeSystem \
		--error-exitcode=1 -D_GNU_SOURCE -Iinclude -Isrc src

structure: $B/$(SONAME)  ## floors, headers, exported symbols, banned calls, sizes
	+scripts/check_structure.sh $B/$(SONAME)
	+scripts/check_install.sh $B
	scripts/check_rows.sh

test: | deps  ## everything that must pass
	+@scripts/test.sh

# ---- the main job, measurements ---------------------------------------------------------------------
.PHONY: demo
demo: | deps-demo  ## the main job on a private PostgreSQL 15, or on URI=...
	+@scripts/demo.sh $(call tree,plain)/examples/demo $(if $(URI),'$(URI)')

-include bench/bench.mk
-include tests/fuzz/fuzz.mk

# ---- other ------------------------------------------------------------------------------------------
.PHONY: coverage format docs install uninstall clean help
coverage: $(call test_bins,cov) $(EXAMPLES:%=$(call tree,cov)/examples/%)  ## lines and branches of src, as text and HTML under build/coverage
	find $(call tree,cov) -name '*.gcda' -delete
	scripts/with_pg.sh tests/run.sh $(call tree,cov) $(call test_bins,cov)
	scripts/coverage.sh $(call tree,cov)

format:  ## formats the sources as .clang-format says
	clang-format -i $(LIB_SRC) $(wildcard src/*/*.h) $(TEST_SRC) $(SUP_SRC) $(wildcard tests/*/*.h examples/*.c)

docs:  ## the reference of the public headers as one page, build/docs/reference.md
	scripts/docs.sh build/docs

install: all  ## PREFIX, DESTDIR, LIBDIR
	install -d $(DESTDIR)$(PREFIX)/include/redw $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 include/redw.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 include/redw/*.h $(DESTDIR)$(PREFIX)/include/redw/
	install -m 644 $B/libredw.a $(DESTDIR)$(LIBDIR)/
	install -m 755 $B/$(SONAME) $(DESTDIR)$(LIBDIR)/
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libredw.so
	install -m 644 $B/redw.pc $(DESTDIR)$(LIBDIR)/pkgconfig/

uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/include/redw $(DESTDIR)$(PREFIX)/include/redw.h
	rm -f $(DESTDIR)$(LIBDIR)/libredw.a $(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/libredw.so \
		$(DESTDIR)$(LIBDIR)/pkgconfig/redw.pc

clean:
	rm -rf build

help:  ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*##  *\(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
