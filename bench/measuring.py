# SPDX-License-Identifier: Apache-2.0
"""Starting the programs, reading their lines, counting instructions, watching the machine."""

import os
import re
import resource
import shutil
import subprocess
import tempfile

TICK = os.sysconf("SC_CLK_TCK")
BOUND_S = 6 * 3600  # a full run is over long before; servers that were left behind end then


class BenchError(Exception):
    """A client failed, or two clients disagree: nothing measured is worth printing."""


def machine(cc):
    """What a reader of the figures must know of where they were measured."""
    def version(*command):
        found = shutil.which(command[0]) and re.search(r"\d[\d.]*", subprocess.check_output(command, text=True))
        return found.group() if found else "?"

    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"^model name\s*:\s*(.*)$", f.read(), re.MULTILINE)
    kernel = ".".join(os.uname().release.split(".")[:2])
    return (f"{len(os.sched_getaffinity(0))} CPUs ({model.group(1) if model else os.uname().machine}), Linux {kernel}, "
            f"{cc.split()[0]} {version(cc.split()[0], '-dumpversion')}, libpq {version('pg_config', '--version')}")


def cpus():
    """(client's, server's) CPU; None twice when there is only one."""
    have = sorted(os.sched_getaffinity(0))
    return (have[0], have[1]) if len(have) > 1 else (None, None)


def certificate(place):
    """Options of blast: a certificate that is its own root, made for this run."""
    cert, key = os.path.join(place, "cert.pem"), os.path.join(place, "key.pem")
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", key, "-out", cert], capture_output=True, text=True)
    if made.returncode != 0:
        raise BenchError(f"openssl made no certificate: {made.stderr.strip()[-300:]}")
    return ["--cert", cert, "--key", key]


class Server:
    """blast on its own CPU, for the length of a `with`."""

    def __init__(self, directory, cpu, tls=False):
        self.command = [os.path.join(directory, "blast"), "--bound", str(BOUND_S)]
        if cpu is not None:
            self.command += ["--cpu", str(cpu)]
        self.tls = tls

    def __enter__(self):
        with tempfile.TemporaryDirectory(prefix="redw-bench-") as place:
            self._start(certificate(place) if self.tls else [])
        return self

    def _start(self, options):
        self.process = subprocess.Popen(self.command + options, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("port="):
            raise BenchError("blast did not start")
        self.port = line[5:].strip()

    def options(self, _workload):
        return ["--port", self.port]

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


# A million rows of the shape `mixed`, of the same make as blast's (rows.c).
MIXED_TABLE = """
CREATE UNLOGGED TABLE mixed AS
SELECT (sign(random() - 0.5) * floor(2 ^ (random() * 31)))::int4 AS c0,
       (sign(random() - 0.5) * floor(2 ^ (random() * 62)))::int8 AS c1,
       CASE WHEN random() < 0.25 THEN floor(2 ^ (random() * 30)) / 100
            ELSE random() * 2 ^ floor(random() * 20) END AS c2,
       (sign(random() - 0.5) * floor(2 ^ (random() * 59))::numeric / 10000)::numeric(18, 4) AS c3,
       random() < 0.5 AS c4,
       date '2000-01-01' + (random() * 11000)::int AS c5,
       timestamp '2000-01-01' + random() * 11000 * interval '1 day' AS c6,
       left(md5(i::text), 4 + floor(random() * 29)::int)::varchar(32) AS c7
  FROM generate_series(1, 1000000) i
"""


class Postgres:
    """A private PostgreSQL (scripts/pg.sh) on its own CPU, or the one REDW_TEST_PG names, for the length of a
    `with`. The clients have its password in PGPASSWORD; whoever comes as blast's clients do, as `bench` over TCP
    and without TLS, needs none."""

    def __init__(self, cpu, tables=False):
        self.tables = tables
        self.cpu, self.script = cpu, os.path.join(os.path.dirname(__file__), "..", "scripts", "pg.sh")
        self.place, self.mine = os.environ.get("REDW_TEST_PG", ""), False

    def __enter__(self):
        if not self.place:
            self.place, self.mine = tempfile.mkdtemp(prefix="redw-bench-pg-"), True
            self._start()
        with open(os.path.join(self.place, "env"), encoding="utf-8") as f:
            self.env = dict(re.match(r"(\w+)='(.*)'$", line).groups() for line in f)
        os.environ["PGPASSWORD"] = self.env["PASSWORD"]
        self._let_bench_in()
        if self.tables:
            self._sql("bench", "SET ROLE bench", "DROP TABLE IF EXISTS mixed", "SELECT setseed(0.5)", MIXED_TABLE,
                      "VACUUM (FREEZE, ANALYZE) mixed", "SELECT count(c7) FROM mixed")
        return self

    def _sql(self, database, *statements):
        """Each on its own; what the last one answers."""
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d",
                   self.env["ADMINURI"].replace("/redw?", f"/{database}?", 1)]
        done = subprocess.run(command + [word for s in statements for word in ("-c", s)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"psql: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()

    def _let_bench_in(self):
        line = "host all bench 127.0.0.1/32 trust\n"
        with open(self._sql("postgres", "SHOW hba_file"), "r+", encoding="utf-8") as f:
            if line in f.read():
                return  # of a run before, on the same server
            f.write(line)
        self._sql("postgres", "SELECT pg_reload_conf()", "CREATE ROLE bench LOGIN",
                  "ALTER ROLE bench SET synchronize_seqscans = off",  # the first rows are the same ones each time
                  "CREATE DATABASE bench OWNER bench")

    def _start(self):
        pin = (lambda: os.sched_setaffinity(0, {self.cpu})) if self.cpu is not None else None
        env = {"REDW_PG_LIFETIME": str(BOUND_S), **os.environ}
        done = subprocess.run([self.script, "start", self.place, str(os.getpid())], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, preexec_fn=pin, env=env)
        if done.returncode != 0:
            raise BenchError(f"no PostgreSQL: {done.stderr.strip()[-500:]}")

    def options(self, workload):
        if workload.uri:
            return ["--uri", self.env[workload.uri]]
        return ["--server", "postgres", "--port", self.env["PGPORT"]]

    def __exit__(self, *_):
        if self.mine:
            subprocess.run([self.script, "stop", self.place], check=False)


def read_line(text):
    """The clients' line, key=value; numbers where they are numbers."""
    pairs = dict(item.split("=", 1) for item in text.split())
    return {k: v if k == "checksum" else int(v) for k, v in pairs.items()}


def run_client(command, bound=300):
    """One client's line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=bound)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{' '.join(command)}: not done after {bound} s") from None
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()[-500:]}")
    return read_line(done.stdout)


def run_counted(command, bound=300):
    """The same under callgrind: (instructions of the whole process, the client's line)."""
    with tempfile.TemporaryDirectory(prefix="redw-bench-") as place:
        out = os.path.join(place, "out")
        line = run_client(["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"] + command, bound)
        with open(out, encoding="utf-8", errors="replace") as f:
            found = re.search(r"^(?:totals|summary):\s*(\d+)", f.read(), re.MULTILINE)
    if not found:
        raise BenchError("callgrind wrote no total")
    return int(found.group(1)), line


def count(command, sizes):
    """Instructions and allocations per row: the difference of two sizes, so that the start cancels."""
    command = command + ["--latency", "no"]
    (ir_a, a), (ir_b, b) = (run_counted(command + ["--count", str(n)]) for n in sizes)
    rows = sizes[1] - sizes[0]
    return {
        "instructions": (ir_b - ir_a) / rows,
        "mallocs_each": (b["mallocs"] - a["mallocs"]) / rows,
        "sends_each": (b["sends"] - a["sends"]) / rows,
    }


class Watch:
    """How much of the client's CPU others took between start() and stop()."""

    def __init__(self, cpu):
        self.cpu = "cpu" if cpu is None else f"cpu{cpu}"

    def _now(self):
        with open("/proc/stat", encoding="ascii") as f:
            fields = next(line.split() for line in f if line.split()[0] == self.cpu)
        user, nice, system, idle, iowait, irq, softirq, steal = (int(x) / TICK for x in fields[1:9])
        mine = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            u = resource.getrusage(who)
            mine += u.ru_utime + u.ru_stime
        total = user + nice + system + idle + iowait + irq + softirq + steal
        return user + nice + system, steal, total, mine

    def start(self):
        self.began = self._now()

    def stop(self):
        """(share of others, share of steal)."""
        busy, steal, total, mine = (b - a for a, b in zip(self.began, self._now()))
        if total <= 0:
            return 0.0, 0.0
        return max(0.0, busy - mine) / total, steal / total
