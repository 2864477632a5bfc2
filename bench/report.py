# SPDX-License-Identifier: Apache-2.0
"""What was measured, as a table for people, as JSON, as a fragment for the README; and the verdicts."""

import statistics

from workloads import JUDGED, TIMED

UNITS = {
    "mb_per_s": "MB/s", "cpu_ns": "ns", "user_ns": "ns", "sys_ns": "ns", "recvs": "calls", "sends": "calls",
    "bytes_per_recv": "bytes", "switches": "count", "mallocs": "count", "peak_kb": "KiB", "peak_growth_kb": "KiB", "anon_each_kb": "KiB",
    "p50_us": "us", "p99_us": "us", "p999_us": "us", "instructions": "count", "mallocs_each": "count",
    "sends_each": "calls", "cpu_libpq_ratio": "ratio", "rate_libpq_ratio": "ratio",
    "cpu_limit_ratio": "ratio", "p50_limit_ratio": "ratio", "rate_drain_ratio": "ratio",
}
PER_UNIT = {"cpu_ns", "user_ns", "sys_ns", "mallocs", "mallocs_each", "sends_each", "anon_each_kb", "instructions"}
WORDS = {
    "cpu_ns": "CPU ns",
    "cpu_libpq_ratio": "CPU of libpq / redw", "rate_libpq_ratio": "rate of redw / libpq",
    "sends_each": "sends", "instructions": "instructions", "mallocs_each": "allocations",
    "rate_drain_ratio": "rate / limit-drain", "p50_limit_ratio": "p50 / limit",
    "peak_growth_kb": "memory growth, KiB", "anon_each_kb": "memory of each, KiB",
}


class Result:
    """One workload: values of every round by driver and metric; noise as (others, steal) per round."""

    def __init__(self, workload, drivers, rounds, noise):
        self.workload, self.drivers, self.noise, self.values = workload, drivers, noise, {}
        for one in rounds:
            for driver, metrics in one.items():
                for metric, value in metrics.items():
                    self.values.setdefault((driver, metric), []).append(value)

    def add(self, driver, metric, values):
        self.values[driver, metric] = values

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


def measurements(results):
    """Medians: one line per workload and driver."""
    rows = [("workload", "driver", "per s", "MB/s", "CPU ns", "user", "sys", "instr", "recvs", "B/recv", "sends",
             "switches", "mallocs", "peak KiB", "KiB each", "p50 us", "p99 us")]
    for r in results:
        for d in r.drivers:
            def cell(metric, form="{:.0f}", r=r, d=d):
                return form.format(r.median(d, metric)) if r.has(d, metric) else "-"
            rows.append((r.workload.name, d, cell("rate", "{:,.0f}"), cell("mb_per_s", "{:,.0f}"),
                         cell("cpu_ns", "{:,.1f}"), cell("user_ns", "{:,.1f}"), cell("sys_ns", "{:,.1f}"),
                         cell("instructions", "{:,.0f}"), cell("recvs", "{:,.0f}"), cell("bytes_per_recv", "{:,.0f}"),
                         cell("sends", "{:,.0f}"), cell("switches", "{:,.0f}"), cell("mallocs", "{:.3f}"),
                         cell("peak_kb", "{:,.0f}"),
                         cell("anon_each_kb", "{:.2f}") if r.workload.holds else "-",
                         cell("p50_us", "{:.1f}"), cell("p99_us", "{:.1f}")))
    return text_table(rows)


def quartile(values, upper):
    ordered = sorted(values)
    i = (len(ordered) - 1) * (0.75 if upper else 0.25)
    low = int(i)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (i - low)


class Judge:
    """Floors and goals. A timed floor is missed when the better quarter of the rounds misses it, and is
    judged only over rounds in which others took little of the CPU, if most rounds were such."""

    def __init__(self, noise_max, timed):
        self.noise_max, self.timed = noise_max, timed

    def verdict(self, result, check):
        values = result.of(JUDGED, check.metric)
        if not values:
            return values, "not measured"
        if check.metric in TIMED:
            quiet = [v for v, n in zip(values, result.noise) if max(n) <= self.noise_max]
            if not self.timed or len(quiet) * 2 <= len(values):
                return values, "not judged (noise)"
            values = quiet
        median = statistics.median(values)
        best = quartile(values, check.least) if check.metric in TIMED else median
        sign = 1 if check.least else -1
        if sign * median >= sign * check.goal:
            return values, "goal"
        if sign * median >= sign * check.floor:
            return values, "floor"
        return values, "near the floor" if sign * best >= sign * check.floor else "MISSED"

    def table(self, results):
        """(text, floors missed, floors not judged)."""
        rows = [("workload", "check", "median", "range", "floor", "goal", "verdict")]
        for r in results:
            for check in r.workload.checks:
                values, verdict = self.verdict(r, check)
                if values:
                    rows.append((r.workload.name, WORDS[check.metric], f"{statistics.median(values):.2f}",
                                 f"[{min(values):.2f}..{max(values):.2f}]", f"{check.floor:g}", f"{check.goal:g}",
                                 verdict))
        if len(rows) == 1:
            return "nothing to judge", 0, 0
        verdicts = [row[-1] for row in rows]
        return text_table(rows), verdicts.count("MISSED"), verdicts.count("not judged (noise)")


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
                "unit": unit_of(r, metric), "runs": len(values),
                "spread": round((max(values) - min(values)) / median, 4) if median else 0,
            })
    return made


def markdown(results):
    """The README's fragment: what it costs beside libpq and beside the limit."""
    lines = ["| workload | redw | libpq | limit (hand-written) | libpq / redw, CPU, same round |",
             "|---|---:|---:|---:|---:|"]
    for r in results:
        cells = []
        for d in (JUDGED, r.workload.rival, "limit"):
            if not r.has(d, "cpu_ns"):
                cells.append("-")
                continue
            cell = f"{r.median(d, 'cpu_ns'):,.0f} ns"
            if r.has(d, "instructions"):
                cell += f", {r.median(d, 'instructions'):,.0f} instr"
            if r.has(d, "p50_us"):
                cell += f", p50 {r.median(d, 'p50_us'):.0f} us"
            cells.append(cell)
        ratios = r.of(JUDGED, "cpu_libpq_ratio")
        ratio = f"{statistics.median(ratios):.1f} [{min(ratios):.1f}..{max(ratios):.1f}]" if ratios else "-"
        lines.append(f"| {r.workload.name} | {cells[0]} | {cells[1]} | {cells[2]} | {ratio} |")
    lines.append("")
    lines.append("CPU time (user and system) and instructions per row or query, client side only; medians. libpq on libev in "
                 "single-row or pipeline mode; PQexec for results kept.")
    return "\n".join(lines) + "\n"
