# SPDX-License-Identifier: Apache-2.0
# Fuzz targets: tests/fuzz/fuzz_NAME.c with the corpus tests/fuzz/corpus/NAME. `make asan` (and so `make test`)
# replays each corpus, `make fuzz-valgrind` does it under valgrind; `make fuzz` lets libFuzzer work on each for
# FUZZ_S seconds. What it finds stays in build/.

FUZZ_SRC  := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_S    ?= 60
fuzz_bins  = $(FUZZ_SRC:%.c=$(call tree,$(1))/%)
lint: $(FUZZ_SRC:%.c=build/clang-lint/%.ok) build/clang-lint/tests/fuzz/replay.ok

# Replay: a main that reads files, under gcc's sanitizers.
define replay_rules
$(call tree,$(1))/tests/fuzz/fuzz_%: $(call tree,$(1))/tests/fuzz/fuzz_%.o $(call tree,$(1))/tests/fuzz/replay.o $(call tree,$(1))/libredw.a
	$$(CC) $$(SAN_$(1)) $$(CFLAGS) $$(LDFLAGS) $$^ -lm -lpthread $$(LIBS) -o $$@
endef
$(foreach v,$(VARIANTS),$(eval $(call replay_rules,$(v))))

.PHONY: fuzz-replay fuzz-valgrind fuzz fuzz-run
fuzz-replay: $(call fuzz_bins,asan)  ## runs each fuzz target over its corpus, under ASan and UBSan
	@set -e; for program in $^; do $$program; done
asan: fuzz-replay

fuzz-valgrind: $(call fuzz_bins,plain)  ## the same under valgrind: nothing uninitialised decides anything
	@set -e; for program in $^; do valgrind --quiet --error-exitcode=99 --leak-check=full $$program; done

fuzz:  ## libFuzzer on each target for FUZZ_S seconds
	+@$(MAKE) --no-print-directory CC=$(CLANG) fuzz-run

ifeq ($(notdir $(CC)),$(notdir $(CLANG)))
SAN_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -O2
$(eval $(call variant_rules,fuzz))

$(call tree,fuzz)/tests/fuzz/fuzz_%: $(call tree,fuzz)/tests/fuzz/fuzz_%.o $(call tree,fuzz)/libredw.a
	$(CC) -fsanitize=fuzzer,address,undefined $(CFLAGS) $(LDFLAGS) $^ -lm -lpthread $(LIBS) -o $@

# The whole core runs so much code that reporting each comparison is most of its time; its mutator knows
# messages and needs no such hints. On one of two shared vCPUs it does 46,000 to 59,000 executions a second
# (median 50,600) from the corpus on, of about 19 us of CPU each: a third is libFuzzer's, its walk over 6,000
# counters most of all; the rest is the session with ASan and UBSan (without both 13 us are left of all).
SAN_fuzzcore := $(SAN_fuzz) -fno-sanitize-coverage=trace-cmp
$(eval $(call variant_rules,fuzzcore))
# The target's own branches say nothing about the library's.
$(call tree,fuzzcore)/tests/fuzz/fuzz_session.o: SAN_fuzzcore += -fno-sanitize=fuzzer-no-link
$(call tree,fuzz)/tests/fuzz/fuzz_session: $(call tree,fuzzcore)/tests/fuzz/fuzz_session.o $(call tree,fuzzcore)/libredw.a
	@mkdir -p $(@D)
	$(CC) -fsanitize=fuzzer,address,undefined $(CFLAGS) $(LDFLAGS) $^ -lm -lpthread $(LIBS) -o $@

fuzz-run: $(call fuzz_bins,fuzz)
	@set -e; for program in $^; do \
		name=$${program##*/fuzz_}; found=build/fuzz/$$name; mkdir -p $$found; echo "== $$name"; \
		$$program -max_total_time=$(FUZZ_S) -print_final_stats=1 -timeout=10 -rss_limit_mb=1024 \
			$$([ ! -e tests/fuzz/$$name.dict ] || echo -dict=tests/fuzz/$$name.dict) \
			$$([ $$name != session ] || echo -max_len=512 -entropic=0 -reduce_inputs=0) \
			-artifact_prefix=$$found/ $$found tests/fuzz/corpus/$$name >$$found.log 2>&1 || { tail -40 $$found.log; exit 1; }; \
		grep -E '^stat::(number_of_executed_units|average_exec_per_sec)|cov:' $$found.log | tail -3; \
	done
endif
-include $(foreach v,$(VARIANTS) fuzz fuzzcore,$(FUZZ_SRC:%.c=$(call tree,$(v))/%.d))
