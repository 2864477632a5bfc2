#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tables of SASLprep (RFC 4013) from Python's unicodedata and stringprep.

  saslprep_tables.py          writes src/wire/saslprep_tables.c and src/wire/nfkc_tables.c
  saslprep_tables.py --digest prints the digests that tests/wire/test_saslprep.c expects

RFC 3454 is about Unicode 3.2: what was not assigned then has no prepared form. Normalisation of what was
assigned has not changed since, but for five corrected mappings (Corrigendum 4), which are taken as corrected,
as PostgreSQL does. And as in PostgreSQL it is the mapped text that may hold nothing prohibited, not what
becomes of it by normalisation.
"""
import hashlib
import stringprep
import sys
import unicodedata

OLD = unicodedata.ucd_3_2_0
ALL = range(0x110000)
HEADER = """/* SPDX-License-Identifier: Apache-2.0 */
/* Written by scripts/saslprep_tables.py: change that. */
/* clang-format off */
"""


def is_hangul(c):
    return 0xAC00 <= c <= 0xD7A3


def is_assigned(c):
    return not 0xD800 <= c <= 0xDFFF and OLD.category(chr(c)) != "Cn"


def no_prepared_form(c):
    """Tables A.1 and C of RFC 3454, as RFC 4013 uses them."""
    ch = chr(c)
    return any(f(ch) for f in (
        stringprep.in_table_a1, stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3,
        stringprep.in_table_c4, stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7,
        stringprep.in_table_c8, stringprep.in_table_c9))


def ranges(member):
    found = []
    for c in ALL:
        if not member(c):
            continue
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def rows(items):
    lines, line = [], "    "
    for item in items:
        if len(line) + len(item) + 1 > 105:
            lines.append(line)
            line = "    "
        line += item + ","
    return "\n".join(lines + [line])


def nesting(pairs):
    firsts, deepest = {whole: first for whole, first, _ in pairs}, 0
    for c in firsts:
        depth = 0
        while c in firsts:
            c, depth = firsts[c], depth + 1
        deepest = max(deepest, depth)
    return deepest


def table(kind, name, items):
    return f"const {kind} {name}[] = {{\n{rows(items)}\n}};\nconst size_t {name}_count = {len(items)};\n"


def write_ranges():
    def one(name, comment, member):
        items = ["{0x%04X, 0x%04X}" % (a, b) for a, b in ranges(member)]
        return f"\n/* {comment} */\n" + table("struct redwi_prep_range", "redwi_prep_" + name, items)

    with open("src/wire/saslprep_tables.c", "w") as f:
        f.write(HEADER + '#include "wire/saslprep_tables.h"\n')
        f.write(one("spaces", "C.1.2", lambda c: stringprep.in_table_c12(chr(c))))
        f.write(one("nothing", "B.1", lambda c: stringprep.in_table_b1(chr(c))))
        f.write(one("no_form", "A.1, and C.1.2 to C.9", no_prepared_form))
        f.write(one("right_to_left", "D.1", lambda c: stringprep.in_table_d1(chr(c))))
        f.write(one("left_to_right", "D.2", lambda c: stringprep.in_table_d2(chr(c))))


def write_nfkc():
    pairs, mappings, classes = [], [], []
    for c in ALL:
        ch = chr(c)
        if not is_assigned(c):
            continue
        ccc = unicodedata.combining(ch)
        if ccc and classes and classes[-1][1] == c - 1 and classes[-1][2] == ccc:
            classes[-1][1] = c
        elif ccc:
            classes.append([c, c, ccc])
        parts = unicodedata.decomposition(ch).split()
        if not parts or is_hangul(c):
            continue
        if len(parts) == 2 and unicodedata.normalize("NFC", ch) == ch and not parts[0].startswith("<"):
            first, second = (int(p, 16) for p in parts)
            assert unicodedata.normalize("NFKD", chr(second)) == chr(second)
            pairs.append((c, first, second))
        else:
            full = [ord(x) for x in unicodedata.normalize("NFKD", ch)]
            assert all(is_assigned(x) for x in full)
            mappings.append((c, full))
    assert nesting(pairs) == 3  # NESTING_MAX in src/wire/nfkc.c
    runs, pool = [], []
    for c, full in mappings:
        if runs and runs[-1][0] + runs[-1][1] == c and runs[-1][2] == len(full):
            runs[-1][1] += 1
        else:
            runs.append([c, 1, len(full), len(pool)])
        pool += full
    order = sorted(range(len(pairs)), key=lambda i: pairs[i][1:])
    with open("src/wire/nfkc_tables.c", "w") as f:
        f.write(HEADER + '#include "wire/nfkc_tables.h"\n')
        f.write("\n/* Canonical combining classes that are not 0. */\n" + table(
            "struct redwi_nfkc_class", "redwi_nfkc_classes", ["{0x%04X, 0x%04X, %d}" % tuple(r) for r in classes]))
        f.write("\n/* Canonical decompositions into two that are composed again. */\n" + table(
            "struct redwi_nfkc_pair", "redwi_nfkc_pairs", ["{%d,%d,%d}" % p for p in pairs]))
        f.write("\n/* Places in redwi_nfkc_pairs, in the order of first and second. */\n" + table(
            "uint16_t", "redwi_nfkc_by_parts", [str(i) for i in order]))
        f.write("\n/* All other decompositions, in full: runs of code points with as many parts each. */\n" + table(
            "struct redwi_nfkc_run", "redwi_nfkc_runs", ["{0x%04X, %d, %d, %d}" % tuple(r) for r in runs]))
        f.write("\n" + table("uint32_t", "redwi_nfkc_parts", ["0x%X" % c for c in pool]))


def prepare(text):
    """SASLprep; a password without a prepared form is used as it is."""
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in text
                     if stringprep.in_table_c12(c) or not stringprep.in_table_b1(c))
    if not mapped or any(no_prepared_form(ord(c)) for c in mapped):
        return text
    if any(stringprep.in_table_d1(c) for c in mapped):
        if any(stringprep.in_table_d2(c) for c in mapped):
            return text
        if not stringprep.in_table_d1(mapped[0]) or not stringprep.in_table_d1(mapped[-1]):
            return text
    return unicodedata.normalize("NFKC", mapped)


def digests():
    h = hashlib.sha256()
    c = 0
    while c < 0x110000:
        h.update(prepare(chr(c)).encode() + b"\0")
        # Of the large blocks that are all of one kind, and of the planes above 2, one in 37.
        uniform = 0x3400 <= c < 0xA000 or 0xAC00 <= c < 0xF900 or 0x10500 <= c < 0x1D000 or \
            0x20000 <= c < 0x2F7C0 or 0x30000 <= c
        c += 37 if uniform else 1
        if 0xD800 <= c < 0xE000:
            c = 0xE000
    print("code points:", h.hexdigest())

    pool = [(0x41, 0x7A), (0xA0, 0x17F), (0x300, 0x36F), (0x5B0, 0x6D5), (0x900, 0xDDF), (0x1100, 0x11FF),
            (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x3040, 0x30FF), (0xAC00, 0xD7A3), (0xF900, 0xFA6A),
            (0xFB1D, 0xFDFC), (0xFE00, 0xFFEF), (0x1D15E, 0x1D164)]
    seed, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1

    def draw(n):
        nonlocal seed
        seed ^= seed << 13 & mask
        seed ^= seed >> 7
        seed ^= seed << 17 & mask
        return seed % n

    h = hashlib.sha256()
    for _ in range(50000):
        length = 1 + draw(6)
        one = pool[draw(len(pool))]
        text = ""
        for _ in range(length):  # mostly of one script: texts that mix directions have no form
            first, last = one if draw(4) else pool[draw(len(pool))]
            text += chr(first + draw(last - first + 1))
        h.update(prepare(text).encode() + b"\0")
    print("50,000 texts:", h.hexdigest())


if "--digest" in sys.argv:
    digests()
else:
    write_ranges()
    write_nfkc()
