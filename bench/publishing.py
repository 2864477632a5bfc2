# SPDX-License-Identifier: Apache-2.0
"""From build/bench into the repository: the table of README.md and that of docs/performance.md, each between two
markers, and docs/figures/ whole."""

import os
import shutil

FRAGMENTS = {"README.md": "table.md", "docs/performance.md": "floors.md"}
FIGURES = ("cpu.svg", "instructions.svg", "queries.svg", "measurements.txt")
BEGIN, END = "<!-- figures:begin (make bench-publish) -->", "<!-- figures:end -->"


def between(text, fragment):
    """The text with the fragment in place of what stood between the markers, which come once."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{fragment.strip()}\n{END}{after}"


def publish(measured, top):
    for page, name in FRAGMENTS.items():
        with open(os.path.join(measured, name), encoding="utf-8") as f:
            fragment = f.read()
        with open(os.path.join(top, page), "r+", encoding="utf-8") as f:
            text = between(f.read(), fragment)
            f.seek(0)
            f.truncate()
            f.write(text)
    figures = os.path.join(top, "docs", "figures")
    os.makedirs(figures, exist_ok=True)
    for name in FIGURES:
        shutil.copyfile(os.path.join(measured, name), os.path.join(figures, name))
    print(f"published: {', '.join(FRAGMENTS)}, docs/figures/{{{','.join(FIGURES)}}}")
