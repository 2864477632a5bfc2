#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The figures of the README, as SVG by hand: the same results give the same bytes.

  plot.py results.json DIR     draws again what `make bench` has drawn

Values are medians; whiskers go from the smallest to the largest round.
"""

import json
import math
import os
import sys

sys.dont_write_bytecode = True
from workloads import JUDGED, WORKLOADS  # noqa: E402

WIDTH, LEFT, ROW, TOP = 760, 268, 22, 84

STYLE = """
text { font: 12px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 } .muted { fill: #59636e } .end { text-anchor: end }
.mid { text-anchor: middle } .small { font-size: 11px } .back { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #d1d9e0; stroke-opacity: .7 } .one { stroke: #59636e; stroke-dasharray: 3 3 }
.whisker { stroke: #1f2328; stroke-opacity: .75; stroke-width: 1.5 } .link { stroke: #d1d9e0; stroke-width: 3 }
.floor { stroke: #1f2328; stroke-width: 2 } .goal { fill: #1a7f37; stroke: #ffffff }
.redw { fill: #cf222e } .libpq { fill: #0969da } .limit { fill: #8c959f }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .muted { fill: #9198a1 } .back { fill: #0d1117; stroke: #3d444d }
.grid { stroke: #3d444d } .one { stroke: #9198a1 } .whisker { stroke: #f0f6fc } .link { stroke: #3d444d }
.floor { stroke: #f0f6fc } .goal { fill: #3fb950; stroke: #0d1117 }
.redw { fill: #ff7b72 } .libpq { fill: #58a6ff } .limit { fill: #9198a1 }
}"""


class Results:
    """results.json by workload, driver and metric."""

    def __init__(self, made):
        self.by = {(e["workload"], e["driver"], e["metric"]): e for e in made}

    def get(self, workload, driver, metric):
        return self.by.get((workload.name, driver, metric))


class Picture:
    """Rows below each other over one axis; x is given in the axis' values."""

    def __init__(self, title, subtitle, rows, low, high, log, right):
        """`right`: room for numbers beside the axis."""
        self.low, self.high, self.log, self.end, self.height = low, high, log, WIDTH - right, TOP + ROW * rows + 38
        self.bottom = TOP + ROW * rows
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height}" '
            f'viewBox="0 0 {WIDTH} {self.height}" role="img">',
            f"<title>{escape(title)}</title><desc>{escape(subtitle)}</desc><style>{STYLE}</style>",
            f'<rect class="back" x=".5" y=".5" width="{WIDTH - 1}" height="{self.height - 1}" rx="6"/>']
        self.text(16, 26, title, "title")
        self.text(16, 45, subtitle, "muted")

    def x(self, value):
        low, high = self.low, self.high
        if self.log:
            value, low, high = (math.log10(max(v, self.low)) for v in (value, low, high))
        return LEFT + (value - low) / (high - low) * (self.end - LEFT)

    def text(self, x, y, words, style=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, style):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>')

    def dot(self, x, y, style):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="{style}"/>')

    def bar(self, y, value, style):
        self.parts.append(f'<rect x="{LEFT}" y="{y - 6:.1f}" width="{self.x(value) - LEFT:.1f}" height="12" rx="2" '
                          f'class="{style}"/>')

    def diamond(self, x, y):
        self.parts.append(f'<path d="M{x:.1f} {y - 6:.1f}l5 6-5 6-5-6z" class="goal"/>')

    def whisker(self, y, entry):
        if entry["runs"] > 1:
            a, b = self.x(entry["min"]), self.x(entry["max"])
            self.line(a, y, b, y, "whisker")
            for end in (a, b):
                self.line(end, y - 3, end, y + 3, "whisker")

    def axis(self, ticks, form):
        for tick in ticks:
            self.line(self.x(tick), TOP - 6, self.x(tick), self.bottom, "grid")
            self.text(self.x(tick), self.bottom + 18, form(tick), "muted small mid")

    def legend(self, items):
        """(kind, words), from left to right."""
        at = 16
        for kind, words in items:
            if kind == "floor":
                self.line(at + 5, 58, at + 5, 70, "floor")
            elif kind == "goal":
                self.diamond(at + 5, 64)
            elif kind == "whisker":
                self.line(at - 1, 64, at + 11, 64, "whisker")
            else:
                self.dot(at + 5, 64, kind)
            self.text(at + 15, 68, words, "small")
            at += 34 + 6.2 * len(words)

    def done(self):
        return "\n".join(self.parts + ["</svg>"]) + "\n"


def escape(words):
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def short(value):
    """1234567 as 1.23M: three digits."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def log_axis(values):
    """(low, high, ticks): from one tick of the series 1, 2, 5, 10 ... to another, labelled at the powers of ten."""
    steps = [m * 10 ** e for e in range(-1, 9) for m in (1, 2, 5)]
    low = max(s for s in steps if s <= min(values))
    high = min(s for s in steps if s >= max(values))
    return low, high, [10 ** e for e in range(-1, 10) if low <= 10 ** e <= high]


def cpu_ratios(results):
    """How many times the CPU libpq takes, for all streams."""
    rows = [(w, results.get(w, JUDGED, "cpu_libpq_ratio")) for w in WORKLOADS
            if w.unit == "row" and w.rival.startswith("libpq-single") and "--shape" in w.options
            and "--work" not in w.options and "huge" not in w.options]
    rows = [(w, entry) for w, entry in rows if entry]
    if not rows:
        return None
    high = math.ceil(max([e["max"] for _, e in rows] + [c.goal for w, _ in rows for c in ratio_checks(w)]) + 0.5)
    p = Picture("CPU per row: libpq / redw", "How many times redw's CPU libpq takes for the same rows; single-row mode, both "
                "on libev. Longer is better for redw.", len(rows), 0, high, log=False, right=80)
    step = 2 if high <= 24 else 5
    p.axis(range(0, high + 1, step), lambda t: f"{t}x")
    p.line(p.x(1), TOP - 6, p.x(1), p.bottom, "one")
    p.legend([("redw", "median of the rounds"), ("whisker", "range of the rounds"), ("floor", "floor"),
              ("goal", "goal")])
    for i, (w, entry) in enumerate(rows):
        y = TOP + ROW * (i + 0.5)
        p.text(LEFT - 10, y + 4, w.name, "end")
        p.bar(y, entry["value"], "redw")
        for check in ratio_checks(w):
            p.line(p.x(check.floor), y - 8, p.x(check.floor), y + 8, "floor")
            p.diamond(p.x(check.goal), y)
        p.whisker(y, entry)
        p.text(WIDTH - 16, y + 4, f"{entry['value']:.1f}x", "end")
    return p.done()


def ratio_checks(workload):
    return [c for c in workload.checks if c.metric == "cpu_libpq_ratio"]


def side_by_side(results, title, subtitle, metric, chosen, drivers):
    """Dots on a logarithmic axis: redw, libpq and the limit of the same row."""
    rows = [(w, {kind: results.get(w, driver(w), metric) for kind, driver in drivers.items()}) for w in chosen]
    rows = [(w, found) for w, found in rows if found["redw"] and found["libpq"]]
    if not rows:
        return None
    low, high, ticks = log_axis([v for _, found in rows for e in found.values() if e for v in (e["min"], e["max"])])
    p = Picture(title, subtitle, len(rows), low, high, log=True, right=134)
    p.axis(ticks, short)
    p.legend([(kind, words) for kind, words in (("redw", "redw"), ("libpq", "libpq"), ("limit", "limit (hand-written)"))
              if any(found.get(kind) for _, found in rows)]
             + ([("whisker", "range of the rounds")] if any(found["redw"]["runs"] > 1 for _, found in rows) else []))
    for i, (w, found) in enumerate(rows):
        y = TOP + ROW * (i + 0.5)
        values = [e["value"] for e in found.values() if e]
        p.text(LEFT - 10, y + 4, w.name, "end")
        p.line(p.x(min(values)), y, p.x(max(values)), y, "link")
        for kind in ("limit", "libpq", "redw"):
            if found.get(kind):
                p.whisker(y, found[kind])
                p.dot(p.x(found[kind]["value"]), y, kind)
        for kind, at in (("redw", WIDTH - 72), ("libpq", WIDTH - 16)):
            p.text(at, y + 4, short(found[kind]["value"]), f"end {kind}")
    return p.done()


def figures(made):
    """Name -> SVG, as far as there is something to draw."""
    results = Results(made)
    three = {"redw": lambda w: JUDGED, "libpq": lambda w: w.rival, "limit": lambda w: "limit"}
    counted = [w for w in WORKLOADS if w.gated]
    queries = [w for w in WORKLOADS if w.unit == "query"]
    drawn = {
        "cpu.svg": cpu_ratios(results),
        "instructions.svg": side_by_side(
            results, "Instructions per row or query", "Client side, user mode, counted by callgrind: exact. Less is "
            "better; the axis is logarithmic.", "instructions", counted, three),
        "queries.svg": side_by_side(
            results, "Queries per second", "Round trips, pipelines and pools, blast unless it says PostgreSQL. More is "
            "better; the axis is logarithmic.", "rate", queries, three),
    }
    return {name: svg for name, svg in drawn.items() if svg}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="ascii") as source:
        for file_name, picture in figures(json.load(source)).items():
            with open(os.path.join(sys.argv[2], file_name), "w", encoding="utf-8") as target:
                target.write(picture)
