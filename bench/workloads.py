# SPDX-License-Identifier: Apache-2.0
"""What the bench runs, and what it must reach: tables, no code that measures.

A workload is run by several drivers, back to back in each round. A check compares one metric of the
driver under test with a floor (missing it fails STRICT=1) and a goal.
"""

# name -> program and its options. `redw` is judged; what it is held against are the others.
DRIVERS = {
    "limit-drain": ("limit", "--kind drain"),
    "limit": ("limit", "--kind view"),
    "limit-block": ("limit", "--kind view --loop block"),
    "libpq-single-ev": ("libpq_client", "--kind single"),
    "libpq-single": ("libpq_client", "--kind single --loop block"),
    "libpq-exec": ("libpq_client", "--kind exec"),
    "libpq-pipeline-ev": ("libpq_flight", ""),
    "libpq-one-batch-ev": ("libpq_flight", "--kind one"),
    "libpq-pool-ev": ("libpq_flight", "--kind one"),
    "libpq-connect-ev": ("libpq_connects", ""),
    "frame": ("decoders", "--kind frame"),
    "redw": ("redw_client", ""),
}
JUDGED = "redw"
LIBPQ = "libpq-single-ev"  # whom the ratios are against, unless the workload names another rival
PIPELINE = "libpq-pipeline-ev"

STREAMS = ["limit-drain", "limit", "libpq-single-ev", "libpq-single", "libpq-exec", "redw"]
STREAMS_QUICK = ["limit-drain", "limit", "libpq-single-ev", "redw"]
FEWER = dict(drivers=STREAMS_QUICK)
RATES = ["limit-drain", "limit", "redw"]
PINGS = ["limit", "limit-block", "libpq-single-ev", "libpq-single", "redw"]
PINGS_QUICK = ["limit", "libpq-single-ev", "redw"]

EACH = "--work flight --inflight 100 --depth 100"
BATCH = "--work batch --inflight 100"
POOL = "--work flight --inflight 100 --conns 10"

# Rows of a full and of a quick round; the two sizes between which instructions and allocations are
# counted: far enough apart that the reads' boundaries even out.
SIZES = {
    "narrow": dict(full=5_000_000, quick=3_000_000, counted=(4_000, 24_000)),
    "mixed": dict(full=2_000_000, quick=1_000_000, counted=(2_000, 12_000)),
    "wide": dict(full=300_000, quick=200_000, counted=(500, 2_500)),
    "fat": dict(full=300_000, quick=200_000, counted=(500, 2_500)),
    "narrow, long": dict(full=60_000_000, quick=10_000_000),
    "mixed, long": dict(full=20_000_000, quick=3_000_000),
    "wide, long": dict(full=2_000_000, quick=300_000),
    "fat, long": dict(full=2_000_000, quick=300_000),
    "value": dict(full=50_000_000, quick=10_000_000, counted=(50_000, 150_000)),
    "ping": dict(full=30_000, quick=5_000, counted=(500, 2_500)),
    "flight": dict(full=400_000, quick=100_000, counted=(2_000, 12_000)),
    "kept": dict(full=2_000_000, quick=1_000_000, counted=(20_000, 120_000)),
    "results": dict(full=10_000, quick=5_000, counted=(500, 2_500)),
    "huge": dict(full=20, quick=5, hashed=2, counted=(1, 3)),
    "connects": dict(full=200, quick=50, counted=(4, 12)),
    "idle": dict(full=200, quick=200),
    "pool": dict(full=100_000, quick=30_000, counted=(1_000, 6_000)),
    "paused": dict(full=500_000, quick=100_000),
    "table": dict(full=1_000_000, quick=300_000),
    "postgres flight": dict(full=200_000, quick=50_000),
    "postgres pool": dict(full=60_000, quick=20_000),
}


class Check:
    """`least`: the metric must be at least floor; otherwise at most."""

    def __init__(self, metric, floor, goal, least=False):
        self.metric, self.floor, self.goal, self.least = metric, floor, goal, least


def cpu_ratio(floor, goal):
    """CPU of libpq in single-row mode on libev, divided by the driver's."""
    return Check("cpu_libpq_ratio", floor, goal, least=True)


def instructions(floor, goal):
    return Check("instructions", floor, goal)


NO_ALLOCATION = Check("mallocs_each", 0, 0)
FLAT_MEMORY = Check("peak_growth_kb", 1024, 512)


class Workload:
    """`programs`: by driver, instead of its own. `rival`: the driver the ratios are against.
    `postgres`: not from blast but from PostgreSQL; `uri`: so, by this one of the URIs of scripts/pg.sh. `holds`:
    what was measured is still there at the end, and its memory is told. `shown`: in the README."""

    def __init__(self, name, options, size, checks, quick=False, drivers=STREAMS, quick_drivers=STREAMS_QUICK,
                 unit="row", gated=False, slack=1.03, programs=None, rival=LIBPQ,
                 uri=None, postgres=False, holds=False, shown=False):
        self.programs, self.rival, self.uri = programs or {}, rival, uri
        self.postgres, self.holds, self.shown = postgres or bool(uri), holds, shown
        self.name, self.options, self.size, self.checks = name, options.split(), SIZES[size], checks
        self.in_quick, self.drivers, self.quick_drivers = quick, drivers, quick_drivers
        self.unit, self.gated, self.slack = unit, gated, slack


def drain_rate(floor, goal):
    """Rows per second divided by those of the client that throws the bytes away."""
    return Check("rate_drain_ratio", floor, goal, least=True)


def stream(shape, form, consume, *checks, **kw):
    return Workload(f"{shape} {form} {consume}", f"--shape {shape} --format {form} --consume {consume}", shape,
                    list(checks) + [NO_ALLOCATION, FLAT_MEMORY], **kw)


def stream_tls(shape, *checks):
    """OpenSSL allocates for each record and at its start, so neither is held against the driver."""
    return Workload(f"{shape} text touch tls", f"--shape {shape} --tls yes", shape, list(checks))


def stream_rate(shape, form, floor, goal):
    """Rows per second beside those of the client that throws the bytes away. Gigabytes, and without libpq, which would
    take minutes for them: in a tenth of a second both are mostly how fast they were to start."""
    return Workload(f"{shape} {form} rate", f"--shape {shape} --format {form} --consume touch", f"{shape}, long",
                    [drain_rate(floor, goal)], drivers=RATES, quick_drivers=RATES)


def table(form, rate, cpu):
    """A million rows of a table; the server is what limits."""
    drivers = ["limit-drain", "limit", LIBPQ, "libpq-single", JUDGED]
    return Workload(f"mixed {form} decode, PostgreSQL", f"--shape mixed --format {form} --consume decode", "table",
                    [rate, cpu, FLAT_MEMORY], drivers=drivers, quick_drivers=drivers, postgres=True, shown=True)


def value(kind, floor, goal):
    """One value by the typed getter, against the C library's conversions; nanoseconds of CPU, no server. What the
    bench's own loop takes, with a look at each text and the checksum, is measured beside it and taken off."""
    drivers = ["frame", LIBPQ, JUDGED]
    return Workload(f"value {kind}", f"--work {kind}", "value", [Check("net_cpu_ns", floor, goal), NO_ALLOCATION],
                    drivers=drivers, quick_drivers=drivers, unit="value",
                    programs={LIBPQ: "decoders", JUDGED: "decoders"})


def flight(name, options, size, rival, *checks, others=(), **kw):
    """Many short queries at once. How many leave in one send is not exact, nor what follows from it."""
    return Workload(name, options, size, list(checks), drivers=[*others, rival, JUDGED],
                    quick_drivers=[*others, rival, JUDGED], unit="query", programs={JUDGED: "redw_flight"},
                    rival=rival, **kw)


def two_batches(name, *checks, **kw):
    """Two batches on their way against libpq with one: so the floor was set (the hand-written client it was taken from
    keeps a second batch in flight). libpq with two is beside it."""
    return flight(name, f"{BATCH} --depth 2", "flight", "libpq-one-batch-ev", *checks, others=[PIPELINE],
                  shown=True, **kw)


def rate_ratio(floor, goal):
    """Queries per second divided by the rival's."""
    return Check("rate_libpq_ratio", floor, goal, least=True)


def rate_of_limit(floor, goal):
    """Queries per second divided by those of the hand-written client."""
    return Check("rate_limit_ratio", floor, goal, least=True)


def kept(name, work, size, *checks, **kw):
    """Results that are gathered and kept, whose rival is PQexec."""
    return Workload(name, f"--shape mixed --work {work}", size, list(checks), drivers=["libpq-exec", JUDGED],
                    quick_drivers=["libpq-exec", JUDGED], rival="libpq-exec", **kw)


def connections(name, options, size, *checks, **kw):
    drivers = ["libpq-connect-ev", JUDGED]
    return Workload(name, options, size, list(checks), drivers=drivers, quick_drivers=drivers, unit="connection",
                    programs={JUDGED: "redw_connects"}, rival="libpq-connect-ev", **kw)


def connects(name, uri, conns=50):
    return connections(f"connects {name}", f"--work connects --conns {conns}", "connects", uri=uri)


def idle(name, options, floor, goal):
    return connections(name, f"--work idle --conns 200 {options}", "idle", Check("anon_each_kb", floor, goal),
                       holds=True)


WORKLOADS = [
    stream("narrow", "text", "touch", cpu_ratio(8, 12), instructions(220, 160),
           quick=True, gated=True, shown=True),
    stream("mixed", "text", "touch", cpu_ratio(6, 8), instructions(480, 380),
           quick=True, gated=True, shown=True),
    stream("wide", "text", "touch", cpu_ratio(5, 6.5), instructions(1900, 1500), gated=True, shown=True),
    stream("fat", "text", "touch", cpu_ratio(1.5, 2.2), shown=True),
    stream("narrow", "text", "decode", cpu_ratio(4, 5.5), quick=True, gated=True),
    stream("mixed", "text", "decode", cpu_ratio(2.3, 3), quick=True, gated=True, shown=True),
    stream("wide", "text", "decode", **FEWER),
    stream("fat", "text", "decode", **FEWER),
    stream("narrow", "binary", "touch", **FEWER),
    stream("mixed", "binary", "touch", **FEWER),
    stream("wide", "binary", "touch", **FEWER),
    stream("fat", "binary", "touch", **FEWER),
    stream("narrow", "binary", "decode", cpu_ratio(8, 12), gated=True),
    stream("mixed", "binary", "decode", cpu_ratio(7, 9), gated=True, shown=True),
    stream("wide", "binary", "decode", **FEWER),
    stream("fat", "binary", "decode", **FEWER),
    *(stream_rate(shape, form, 0.6, 0.8) for shape in ("narrow", "mixed", "wide") for form in ("text", "binary")),
    *(stream_rate("fat", form, 0.85, 0.95) for form in ("text", "binary")),
    stream_tls("narrow", cpu_ratio(5, 7)),
    stream_tls("mixed", cpu_ratio(3, 4)),
    stream_tls("fat", cpu_ratio(1.1, 1.15), drain_rate(0.88, 0.95)),
    table("text", rate_ratio(0.97, 1.03), cpu_ratio(2, 3)),
    table("binary", rate_ratio(0.97, 1.05), cpu_ratio(3, 4.5)),
    Workload("mixed text touch, pausing", "--shape mixed --work paused", "paused", [FLAT_MEMORY],
             drivers=[LIBPQ, JUDGED], quick_drivers=[LIBPQ, JUDGED]),
    value("int4", 8, 5),
    value("int8", 8, 6),
    value("float8", 15, 12),
    value("numeric", 15, 10),
    value("date", 6, 4),
    value("timestamp", 9, 7),
    Workload("ping", "--work ping", "ping",
             [instructions(3000, 2000), Check("p50_limit_ratio", 1.08, 1.03), Check("mallocs_each", 1, 0)],
             quick=True, drivers=PINGS, quick_drivers=PINGS_QUICK, unit="query", gated=True, shown=True,
             slack=1.06),  # how often the loop wakes for an answer is not exact
    flight("pipeline 100, Sync each", EACH, "flight", PIPELINE,
           rate_ratio(3.5, 5), cpu_ratio(8, 12), Check("sends_each", 0.05, 0.02), Check("mallocs_each", 1, 0),
           others=["limit"], quick=True, gated=True, shown=True),
    flight("pipeline 100, one Sync", BATCH, "flight", PIPELINE, Check("sends_each", 0.05, 0.02), gated=True,
           shown=True),
    two_batches("pipelines 2 x 100, one Sync", rate_ratio(1.7, 2.2)),
    flight("pool 100 over 10 exclusive", f"{POOL} --depth 1", "pool", "libpq-pool-ev", rate_ratio(1.05, 1.2),
           shown=True),
    flight("pool 100 over 10 pipelined", f"{POOL} --depth 10", "pool", "libpq-pool-ev", rate_ratio(3.6, 5),
           others=[PIPELINE], shown=True),
    flight("pipeline 100, Sync each, PostgreSQL", EACH, "postgres flight", PIPELINE,
           rate_of_limit(0.97, 1), cpu_ratio(1.67, 2), others=["limit"], postgres=True, shown=True),
    flight("pipeline 100, one Sync, PostgreSQL", BATCH, "flight", PIPELINE, postgres=True, shown=True),
    two_batches("pipelines 2 x 100, one Sync, PostgreSQL", rate_ratio(1.2, 1.45), postgres=True),
    flight("pool 100 over 10 exclusive, PostgreSQL", f"{POOL} --depth 1", "postgres pool", "libpq-pool-ev",
           rate_ratio(1.05, 1.2), postgres=True, shown=True),
    flight("pool 100 over 10 pipelined, PostgreSQL", f"{POOL} --depth 10", "postgres pool", "libpq-pool-ev",
           rate_ratio(1.9, 2.1), others=[PIPELINE], postgres=True, shown=True),
    kept("10,000-row results kept", "kept", "kept", gated=True),
    kept("results of one row kept", "results", "results", unit="result", gated=True, slack=1.06, holds=True),
    Workload("row of 64 MiB", "--shape huge", "huge", [], drivers=["limit-drain", LIBPQ, "libpq-exec", JUDGED]),
    connects("plain, no login", "ADMINURI"),
    connects("plain, SCRAM", "PLAINURI"),
    connects("TLS, SCRAM, resumed", "URI"),
    connects("TLS, SCRAM, new", "URI", conns=1),
    idle("idle connections", "", 13, 8),
    idle("idle connections tls", "--tls yes", 77, 64),
    idle("idle after 10,000 rows", "--kind rows", 13, 8),
]

BY_NAME = {w.name: w for w in WORKLOADS}

# Timed metrics are judged with tolerance and only on a quiet machine; the others as they are.
TIMED = {"cpu_ns", "net_cpu_ns", "cpu_libpq_ratio", "rate_libpq_ratio", "rate_drain_ratio", "rate_limit_ratio", "p50_limit_ratio"}
# Clients without a row of their own to make a checksum of.
NO_CHECKSUM = {"limit-drain", "frame"}
