#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what the servers of the golden sessions say as seeds of tests/fuzz/fuzz_session.c.

Format of a golden session: tests/support/golden.h. In front of the bytes stand the fuzz target's choices.
"""
import glob
import os
import re
import struct

UNITS, REDSHIFT, TLS, ANY_METHOD, DISCARD = 3, 16, 32, 64, 128
NAMED, PORTAL, QUERY = 1, 2, 3
ITEM = re.compile(r'z?"(?:\\.|[^"\\])*"|x:[0-9a-f]*|i(?:8|16|32):-?\d+')


def text(quoted):
    out = quoted.replace("\\n", "\n").encode()
    return re.sub(rb'\\x([0-9a-f]{2})|\\(.)', lambda m: bytes([int(m[1], 16)]) if m[1] else m[2], out)


def item(word):
    if word.startswith("x:"):
        return bytes.fromhex(word[2:])
    if word.startswith("i"):
        size, value = word[1:].split(":")
        return struct.pack({"8": ">q", "16": ">q", "32": ">q"}[size], int(value))[-int(size) // 8:]
    return text(word[2:-1]) + b"\0" if word.startswith("z") else text(word[1:-1])


def items(line):
    return b"".join(item(m) for m in ITEM.findall(line))


def kind_of(sent):
    """What the units of a session are, from all their letters together."""
    return PORTAL if "L" in sent else NAMED if set(sent) & set("SKC") else QUERY if "Q" in sent else 0


def seed(path):
    choices, units, sent, out = 0, 0, "", b""
    for line in open(path, encoding="utf-8"):
        line = line.strip()
        if line.startswith("<<"):
            out += items(line[2:])
        elif line.startswith("<"):
            kind, body = line[1:].split()[0], items(line[1:].strip()[1:])
            out += kind.encode() + struct.pack(">I", len(body) + 4) + body
        elif line.startswith("* unit"):
            units += 1
            sent += line.split()[3]
        elif line.startswith("* batch"):
            units = 9
        for word, bit in (("! redshift", REDSHIFT), ("! verified", TLS), ("! tls", TLS),
                          ("! require_auth", ANY_METHOD), ("* discard", DISCARD)):
            if line.startswith(word):
                choices |= bit
    choices |= 0 if not units else 1 if units == 1 else 3 if units > 4 else 2
    return bytes([choices, kind_of(sent) << 6 | 16]) + out


for path in sorted(glob.glob("tests/golden/*.session")):
    name = os.path.basename(path)[:-len(".session")]
    if "cancel" not in name:
        with open("tests/fuzz/corpus/session/" + name, "wb") as f:
            f.write(seed(path))
