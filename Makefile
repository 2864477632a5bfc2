# SPDX-License-Identifier: Apache-2.0
# redw. `make demo` runs the main job, `make test` passes the tests; each installs what it needs first.
# Variables: CC, CFLAGS, PREFIX, DESTDIR, LIBDIR. Everything built goes under build/.

VERSION := 0.1.0
SOMAJOR := 0.1
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
CXX     ?= g++
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
CFLAGS  ?= -O2 -g
# plain, asan, tsan, fuzz, cov: one tree of objects each.
VARIANT ?= plain
B       := build/$(notdir $(CC))-$(VARIANT)

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes \
        -Wvla -Wundef -Wpointer-arith -Wwrite-strings -Werror
SAN_plain :=
SAN_asan  := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1
SAN_tsan  := -fsanitize=thread -O1
SAN_fuzz  := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -O1
SAN_cov   := --coverage -O0
SAN  := $(SAN_$(VARIANT))

CPPFLAGS += -D_GNU_SOURCE -Iinclude
BASE     := -std=c11 $(CFLAGS) $(WARN) $(SAN) -fPIC -fvisibility=hidden -fno-strict-aliasing -MMD -MP
LIBS     := -lssl -lcrypto -lev -lcares

LIB_SRC  := $(sort $(wildcard src/wire/*.c src/data/*.c src/pool/*.c src/query/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$B/%.o)
SUP_SRC  := $(sort $(wildcard tests/support/*.c))
SUP_OBJ  := $(SUP_SRC:%.c=$B/%.o)
TEST_SRC := $(sort $(wildcard tests/wire/test_*.c tests/data/test_*.c tests/pool/test_*.c tests/query/test_*.c tests/api/test_*.c))
TEST_BIN := $(TEST_SRC:%.c=$B/%)
TEST_LIBS := -lcheck -lsubunit -lm -lrt -lpthread -lpq $(LIBS)

.DEFAULT_GOAL := all
.SECONDARY:
.PHONY: all
all: $B/libredw.a

$B/src/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CPPFLAGS) -Isrc -c $< -o $@

$B/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CPPFLAGS) -Isrc -Itests -I/usr/include/postgresql -Wno-pedantic -c $< -o $@

$B/libredw.a: $(LIB_OBJ)
	rm -f $@ && ar rcs $@ $^

$B/libsupport.a: $(SUP_OBJ)
	rm -f $@ && ar rcs $@ $^

$B/tests/%: $B/tests/%.o $B/libsupport.a $B/libredw.a
	$(CC) $(SAN) $(CFLAGS) $(LDFLAGS) $< $B/libsupport.a $B/libredw.a $(TEST_LIBS) -o $@

.PHONY: tests
tests: $(TEST_BIN)

-include $(LIB_OBJ:.o=.d) $(SUP_OBJ:.o=.d) $(TEST_BIN:=.d)
