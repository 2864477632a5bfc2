# SPDX-License-Identifier: Apache-2.0
# The bench, always of the plain variant: bench/README.md.

BENCH_DIR  := $(call tree,plain)/bench
BENCH_PROG := $(addprefix $(BENCH_DIR)/,blast limit libpq_client redw_client libpq_flight redw_flight libpq_connects redw_connects decoders)
BENCH_OBJ  := $(patsubst bench/%.c,$(BENCH_DIR)/%.o,$(wildcard bench/*.c))

$(BENCH_OBJ): $(BENCH_DIR)/%.o: bench/%.c
	@mkdir -p $(@D)
	$(CC) $(LANG) $(CFLAGS) $(WARN) $(CPPFLAGS) -Isrc -Ibench -isystem /usr/include/postgresql -MMD -MP -c $< -o $@

$(BENCH_DIR)/blast: $(addprefix $(BENCH_DIR)/,blast.o rows.o shapes.o)
$(filter-out %/blast,$(BENCH_PROG)): $(BENCH_DIR)/%: $(addprefix $(BENCH_DIR)/,%.o measure.o shapes.o) $(call tree,plain)/libredw.a
$(BENCH_PROG):
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -Wl,--as-needed -lpq $(LIBS) -lm -o $@

.PHONY: bench bench-programs bench-publish bench-gate
bench-programs: $(BENCH_PROG)

bench: $(BENCH_PROG) | deps  ## compares with libpq and the limit; BENCH=regex, BENCH_QUICK=1, BENCH_ROUNDS=n, BENCH_KEEP=1, STRICT=1
	python3 bench/run.py --bin $(BENCH_DIR) --out build/bench --compiler "$(CC)"

bench-publish:  ## what `make bench` has measured into README.md and docs/
	python3 bench/run.py --bin $(BENCH_DIR) --out build/bench --publish

bench-gate: $(BENCH_PROG)  ## counts instructions and allocations against bench/gate.json
	python3 bench/run.py --bin $(BENCH_DIR) --gate bench/gate.json --compiler "$(CC)"

-include $(BENCH_OBJ:.o=.d)
