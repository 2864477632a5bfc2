# SPDX-License-Identifier: Apache-2.0
# The bench: `make bench` compares with libpq and the limit (bench/README.md), `make bench-gate` counts
# instructions and allocations against bench/gate.json. Meant for the plain variant.

BENCH_BIN  := blast limit libpq_client redw_client
BENCH_PROG := $(BENCH_BIN:%=$B/bench/%)

$B/bench/%.o: bench/%.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CPPFLAGS) -Isrc -Ibench -I/usr/include/postgresql -c $< -o $@

$B/bench/blast: $B/bench/blast.o $B/bench/rows.o $B/bench/shapes.o
	$(CC) $(SAN) $(CFLAGS) $(LDFLAGS) $^ -lssl -lcrypto -o $@

$B/bench/limit: $B/bench/limit.o $B/bench/measure.o $B/bench/shapes.o $B/libredw.a
	$(CC) $(SAN) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -lm -o $@

$B/bench/libpq_client: $B/bench/libpq_client.o $B/bench/measure.o $B/bench/shapes.o $B/libredw.a
	$(CC) $(SAN) $(CFLAGS) $(LDFLAGS) $^ -lpq $(LIBS) -lm -o $@

$B/bench/redw_client: $B/bench/redw_client.o $B/bench/measure.o $B/bench/shapes.o $B/libredw.a
	$(CC) $(SAN) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -lm -o $@

.PHONY: bench bench-programs bench-gate
bench-programs: $(BENCH_PROG)

bench: $(BENCH_PROG)
	python3 bench/run.py --bin $B/bench --out build/bench

bench-gate: $(BENCH_PROG)
	python3 bench/run.py --bin $B/bench --gate bench/gate.json --compiler "$(CC)"

-include $(wildcard $B/bench/*.d)
