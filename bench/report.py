# SPDX-License-Identifier: Apache-2.0
"""What was measured, as a table for people, as JSON, as a fragment for the README; and the verdicts."""

import statistics
import time

from workloads import BY_NAME, JUDGED, TIMED

UNITS = {
    "mb_per_s": "MB/s", "cpu_ns": "ns", "net_cpu_ns": "ns", "user_ns": "ns", "sys_ns": "ns", "recvs": "calls", "sends": "calls",
    "waits": "calls", "bytes_per_recv": "bytes", "switches": "count", "mallocs": "count", "peak_kb": "KiB",
    "peak_growth_kb": "KiB", "anon_each_kb": "KiB",
    "p50_us": "us", "p99_us": "us", "p999_us": "us", "instructions": "count", "mallocs_each": "count",
    "sends_each": "calls", "cpu_libpq_ratio": "ratio", "rate_libpq_ratio": "ratio",
    "cpu_limit_ratio": "ratio", "rate_limit_ratio": "ratio", "p50_limit_ratio": "ratio", "rate_drain_ratio": "ratio",
}
PER_UNIT = {"cpu_ns", "net_cpu_ns", "user_ns", "sys_ns", "mallocs", "mallocs_each", "sends_each", "anon_each_kb", "instructions"}
WORDS = {
    "cpu_ns": "CPU ns", "net_cpu_ns": "CPU ns, less the loop's",
    "cpu_libpq_ratio": "CPU of libpq / redw", "rate_libpq_ratio": "rate of redw / libpq",
    "sends_each": "sends", "instructions": "instructions", "mallocs_each": "allocations",
    "rate_drain_ratio": "rate / limit-drain", "rate_limit_ratio": "rate / limit", "p50_limit_ratio": "p50 / limit",
    "peak_growth_kb": "memory growth, KiB", "anon_each_kb": "memory of each, KiB",
}


NOISE_MAX = 0.10  # of the client's CPU, taken by others or by the hypervisor
NOISE = "not judged (noise)"


class Result:
    """One workload: values of every round by driver and metric; noise as (others, steal) per round."""

    def __init__(self, workload, drivers, noise, machine, quick=False, day=None):
        self.workload, self.drivers, self.noise, self.values = workload, drivers, noise, {}
        self.machine, self.quick, self.day = machine, quick, day or time.strftime("%Y-%m-%d", time.gmtime())

    @classmethod
    def load(cls, made):
        result = cls(BY_NAME[made["workload"]], made["drivers"], made["noise"], made["machine"], made["quick"],
                     made["day"])
        for driver, metric, values in made["values"]:
            result.add(driver, metric, values)
        return result

    def dump(self):
        return {"workload": self.workload.name, "drivers": self.drivers, "noise": self.noise,
                "machine": self.machine, "quick": self.quick, "day": self.day,
                "values": [[d, m, values] for (d, m), values in self.values.items()]}

    def add_rounds(self, rounds):
        for one in rounds:
            for driver, metrics in one.items():
                for metric, value in metrics.items():
                    self.values.setdefault((driver, metric), []).append(value)

    def add(self, driver, metric, values):
        self.values[driver, metric] = values

    def quiet(self):
        """Per round, whether others took little of the CPU."""
        return [max(n) <= NOISE_MAX for n in self.noise]

    def busy(self):
        return sum(self.quiet()) * 2 <= len(self.noise)

    def has(self, driver, metric):
        return (driver, metric) in self.values

    def of(self, driver, metric):
        return self.values.get((driver, metric), [])

    def median(self, driver, metric):
        return statistics.median(self.of(driver, metric))


def text_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
             for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(line.rstrip() for line in lines)


COLUMNS = [  # heading, metric, form
    ("per s", "rate", "{:,.0f}"), ("MB/s", "mb_per_s", "{:,.0f}"), ("CPU ns", "cpu_ns", "{:,.1f}"),
    ("user", "user_ns", "{:,.1f}"), ("sys", "sys_ns", "{:,.1f}"), ("instr", "instructions", "{:,.0f}"),
    ("recvs", "recvs", "{:,.0f}"), ("B/recv", "bytes_per_recv", "{:,.0f}"), ("sends", "sends", "{:,.0f}"),
    ("waits", "waits", "{:,.0f}"), ("switches", "switches", "{:,.0f}"), ("mallocs", "mallocs", "{:.3f}"),
    ("peak KiB", "peak_kb", "{:,.0f}"), ("KiB each", "anon_each_kb", "{:.2f}"), ("p50 us", "p50_us", "{:.1f}"),
    ("p99 us", "p99_us", "{:.1f}"), ("p99.9 us", "p999_us", "{:.1f}"), ("libpq/redw CPU", "cpu_libpq_ratio", "{:.2f}"),
    ("redw/libpq rate", "rate_libpq_ratio", "{:.2f}"), ("redw/limit CPU", "cpu_limit_ratio", "{:.2f}"),
]


def measurements(results):
    """Medians: one line per workload and driver."""
    rows = [("workload", "driver", *(heading for heading, _, _ in COLUMNS))]
    for r in results:
        for d in r.drivers:
            rows.append((r.workload.name, d, *(
                form.format(r.median(d, metric)) if r.has(d, metric) and (r.workload.holds or metric != "anon_each_kb")
                else "-" for _, metric, form in COLUMNS)))
    return text_table(rows)


def about(results):
    """One line: when, where, how often."""
    def ends(values):
        return " to ".join(str(v) for v in sorted({min(values), max(values)}))

    machines = " / ".join(sorted({r.machine for r in results}))
    return (f"{ends([r.day for r in results])}; {machines}; interleaved rounds: "
            + ends([len(r.noise) for r in results]) + ("; short form" if any(r.quick for r in results) else ""))


def figure(v):
    """With as many digits as mean something."""
    return f"{v:,.0f}" if abs(v) >= 100 else f"{v:.1f}" if abs(v) >= 10 else f"{v:.2f}"


def spread(values):
    median = figure(statistics.median(values))
    return median if len(values) == 1 else f"{median} [{figure(min(values))}..{figure(max(values))}]"


def quartile(values, upper):
    ordered = sorted(values)
    i = (len(ordered) - 1) * (0.75 if upper else 0.25)
    low = int(i)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (i - low)


class Judge:
    """Floors and goals. A timed floor is missed when the better quarter of the rounds misses it, and is
    judged only over rounds in which others took little of the CPU, if most rounds were such."""

    def __init__(self, timed):
        self.timed = timed

    def verdict(self, result, check):
        values = result.of(JUDGED, check.metric)
        if not values:
            return values, "not measured"
        if check.metric in TIMED:
            if not self.timed or result.busy():
                return values, NOISE
            values = [v for v, quiet in zip(values, result.quiet()) if quiet]
        median = statistics.median(values)
        best = quartile(values, check.least) if check.metric in TIMED else median
        sign = 1 if check.least else -1
        if sign * median >= sign * check.goal:
            return values, "goal"
        if sign * median >= sign * check.floor:
            return values, "floor"
        return values, "near the floor" if sign * best >= sign * check.floor else "MISSED"

    def rows(self, results):
        """(workload, check, values, verdict) of everything that was measured."""
        for r in results:
            for check in r.workload.checks:
                values, verdict = self.verdict(r, check)
                if values:
                    yield r.workload, check, values, verdict

    def text(self, results):
        """(text, floors missed, floors not judged)."""
        rows = [("workload", "check", "median [range]", "floor", "goal", "verdict")]
        rows += [(w.name, WORDS[c.metric], spread(values), f"{c.floor:,g}", f"{c.goal:,g}", verdict)
                 for w, c, values, verdict in self.rows(results)]
        if len(rows) == 1:
            return "nothing to judge", 0, 0
        verdicts = [row[-1] for row in rows]
        return text_table(rows), verdicts.count("MISSED"), verdicts.count(NOISE)

    def markdown(self, results):
        """The fragment of docs/performance.md."""
        lines = [f"Measured {about(results)}. Ratios are against the row's libpq driver; median [range].", "",
                 "| workload | metric | floor | goal | have | verdict |", "|---|---|---:|---:|---:|---|"]
        for w, c, values, verdict in self.rows(results):
            sign = "&ge;" if c.least else "&le;"
            verdict = "**missed**" if verdict == "MISSED" else verdict
            lines.append(f"| {w.name} | {WORDS[c.metric]} | {sign} {c.floor:,g} | {c.goal:,g} | {spread(values)} "
                         f"| {verdict} |")
        return "\n".join(lines) + "\n"


def unit_of(result, metric):
    if metric == "rate":
        return f"{result.workload.unit}s/s"
    return UNITS[metric] + (f"/{result.workload.unit}" if metric in PER_UNIT else "")


def as_json(results):
    made = []
    for r in results:
        for (driver, metric), values in r.values.items():
            median = statistics.median(values)
            made.append({
                "workload": r.workload.name, "driver": driver, "metric": metric, "value": round(median, 4),
                "unit": unit_of(r, metric), "runs": len(values), "min": round(min(values), 4),
                "max": round(max(values), 4),
                "spread": round((max(values) - min(values)) / median, 4) if median else 0,
            })
    return made


def markdown(results):
    """The README's fragment: what it costs beside libpq and beside the limit."""
    lines = [f"Measured {about(results)}.", "",
             "| workload | redw | libpq | limit (hand-written) | libpq / redw, CPU, same round |",
             "|---|---:|---:|---:|---:|"]
    for r in results:
        if not r.workload.shown:
            continue
        cells = []
        for d in (JUDGED, r.workload.rival, "limit"):
            if not r.has(d, "cpu_ns"):
                cells.append("-")
                continue
            cell = f"{r.median(d, 'cpu_ns'):,.0f} ns"
            if r.has(d, "instructions"):
                cell += f", {r.median(d, 'instructions'):,.0f} instr"
            if r.workload.unit == "query":
                cell += f", {r.median(d, 'rate'):,.0f}/s"
            cells.append(cell)
        ratios = r.of(JUDGED, "cpu_libpq_ratio")
        cells.append((spread(ratios) if ratios else "-") + (" *busy*" if r.busy() else ""))
        lines.append(f"| {r.workload.name} | {' | '.join(cells)} |")
    lines += ["", "CPU time (user and system) and instructions per row or query, client side only; medians. libpq on "
              "libev in single-row or pipeline mode, and one statement at a time in pools. Rows from PostgreSQL 15 are "
              "limited by the server."]
    if any(r.busy() for r in results if r.workload.shown):
        lines[-1] += " *busy*: other processes took more than a tenth of the client's CPU in most rounds."
    return "\n".join(lines) + "\n"
