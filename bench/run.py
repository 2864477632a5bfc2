#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bench's runner: `make bench` (bench/README.md says how to read what it prints).

  run.py --bin DIR --out DIR                 compare; BENCH=regex selects, BENCH_QUICK=1 is the short form,
                                             BENCH_ROUNDS=n, BENCH_KEEP=1 keeps the last run's other rows,
                                             STRICT=1 fails when a floor is missed
  run.py --bin DIR --out DIR --publish       what was measured last into README.md and docs/
  run.py --bin DIR --gate FILE --compiler CC instructions and allocations only, against FILE; --record writes it
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import measuring  # noqa: E402
import plot  # noqa: E402
import publishing  # noqa: E402
import report  # noqa: E402
from measuring import BenchError  # noqa: E402
from workloads import BY_NAME, DRIVERS, JUDGED, NO_CHECKSUM, SIZES, WORKLOADS  # noqa: E402

HASHED_ROWS = 20_000


def say(text):
    print(text, flush=True)


def command(args, server, workload, driver):
    program, options = DRIVERS[driver]
    program = workload.programs.get(driver, program)
    made = [os.path.join(args.bin, program)] + server.options(workload) + options.split() + workload.options
    if args.client_cpu is not None:
        made += ["--cpu", str(args.client_cpu)]
    return made


def agree(workload, lines):
    """Rows and checksums of all clients are the same, or nothing is printed."""
    sums = {d: (line["rows"], line["checksum"]) for d, line in lines.items() if d not in NO_CHECKSUM}
    if len(set(sums.values())) > 1:
        raise BenchError(f"{workload.name}: clients read different values: {sums}")


def compare_values(args, server, workload, drivers):
    """Every byte of every value, once, untimed."""
    if workload.unit != "row":
        return
    lines = {}
    for driver in drivers:
        if driver in NO_CHECKSUM:
            continue
        made = command(args, server, workload, driver) + ["--consume", "hash"]
        made += ["--count", str(workload.size.get("hashed", HASHED_ROWS))]
        lines[driver] = measuring.run_client(made)
    agree(workload, lines)


def metrics_of(line):
    """One run's line as the metrics that are reported."""
    rows, seconds = line["rows"], line["wall_ns"] / 1e9
    made = {
        "rate": rows / seconds,
        "mb_per_s": line["bytes"] / 1e6 / seconds,
        "cpu_ns": line["cpu_ns"] / rows,
        "user_ns": line["user_ns"] / rows,
        "sys_ns": line["sys_ns"] / rows,
        "recvs": line["recvs"],
        "bytes_per_recv": line["bytes"] / max(1, line["recvs"]),
        "sends": line["sends"],
        "sends_each": line["sends"] / rows,
        "waits": line["waits"],
        "switches": line["switches"],
        "mallocs": line["mallocs"] / rows,
        "peak_kb": line["peak_kb"],
        "peak_growth_kb": line["peak_kb"] - line["start_kb"],
        "anon_each_kb": line["anon_growth_kb"] / rows,
    }
    for p in ("p50", "p99", "p999"):
        if p + "_ns" in line:
            made[p + "_us"] = line[p + "_ns"] / 1e3
    return made


def ratios_of(runs, rival):
    """What one round says about the judged driver against the others of the same round."""
    mine, made = runs[JUDGED], {}
    if rival in runs:
        made["cpu_libpq_ratio"] = runs[rival]["cpu_ns"] / mine["cpu_ns"]
        made["rate_libpq_ratio"] = mine["rate"] / runs[rival]["rate"]
    if "limit" in runs:
        made["cpu_limit_ratio"] = mine["cpu_ns"] / runs["limit"]["cpu_ns"]
        made["rate_limit_ratio"] = mine["rate"] / runs["limit"]["rate"]
        if "p50_us" in mine and "p50_us" in runs["limit"]:
            made["p50_limit_ratio"] = mine["p50_us"] / runs["limit"]["p50_us"]
    if "frame" in runs:
        made["net_cpu_ns"] = mine["cpu_ns"] - runs["frame"]["cpu_ns"]
    if "limit-drain" in runs:
        made["rate_drain_ratio"] = mine["rate"] / runs["limit-drain"]["rate"]
    return made


def run_round(args, server, workload, drivers, first):
    """All drivers once, back to back, starting at a different one each time."""
    size = workload.size["quick" if args.quick else "full"]
    lines = {}
    for driver in drivers[first:] + drivers[:first]:
        lines[driver] = measuring.run_client(command(args, server, workload, driver) + ["--count", str(size)])
    agree(workload, lines)
    runs = {driver: metrics_of(line) for driver, line in lines.items()}
    if JUDGED in runs:
        runs[JUDGED].update(ratios_of(runs, workload.rival))
    return runs


def count_all(args, server, workload, drivers):
    """Two at a time where there are two CPUs: callgrind counts, it does not time."""
    which = [d for d in drivers if d in (JUDGED, workload.rival, "limit")]
    bare = argparse.Namespace(bin=args.bin, client_cpu=None)
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        jobs = {d: pool.submit(measuring.count, command(bare, server, workload, d), workload.size["counted"])
                for d in which}
        return {d: job.result() for d, job in jobs.items()}


def run_workload(args, server, workload, watch, progress):
    drivers = workload.quick_drivers if args.quick else workload.drivers
    drivers = [d for d in drivers if os.path.exists(os.path.join(args.bin, DRIVERS[d][0]))]
    compare_values(args, server, workload, drivers)
    rounds, noise = [], []
    for i in range(args.rounds):
        watch.start()
        rounds.append(run_round(args, server, workload, drivers, i % len(drivers)))
        noise.append(watch.stop())
        cpu = ", ".join(f"{d} {rounds[-1][d]['cpu_ns']:.0f}" for d in drivers)
        say(f"{progress} {workload.name}: round {i + 1} of {args.rounds}: CPU ns per {workload.unit}: {cpu}"
            f" (others {noise[-1][0]:.0%}, steal {noise[-1][1]:.0%})")
    result = report.Result(workload, drivers, noise, args.machine, args.quick)
    result.add_rounds(rounds)
    if not args.no_valgrind and "counted" in workload.size:
        for driver, counts in count_all(args, server, workload, drivers).items():
            result.add(driver, "instructions", [counts["instructions"]])
            result.add(driver, "mallocs_each", [counts["mallocs_each"]])
        say(f"{progress} {workload.name}: instructions per {workload.unit}: "
            + ", ".join(f"{d} {result.median(d, 'instructions'):.0f}" for d in drivers
                        if result.has(d, "instructions")))
    return result


def rounds_file(args):
    return os.path.join(args.out, "rounds.json")


def stored_rows(args):
    """What the run before has measured, by name."""
    if not os.path.exists(rounds_file(args)):
        return {}
    with open(rounds_file(args), encoding="ascii") as f:
        return {made["workload"]: report.Result.load(made) for made in json.load(f) if made["workload"] in BY_NAME}


def store_rounds(args, results):
    """After each workload: what was measured survives an interruption (BENCH_KEEP=1)."""
    os.makedirs(args.out, exist_ok=True)
    with open(rounds_file(args), "w", encoding="ascii") as f:
        json.dump([r.dump() for r in results.values()], f)


def write_all(args, results):
    """All that is made of the rounds: (measurements, verdicts, floors missed, floors not judged)."""
    results = [results[w.name] for w in WORKLOADS if w.name in results]
    judge = report.Judge(timed=args.client_cpu is not None)
    entries, measured = report.as_json(results), report.measurements(results)
    verdicts, failed, unjudged = judge.text(results)
    texts = {"results.json": json.dumps(entries, indent=1) + "\n",
             "measurements.txt": f"{report.about(results)}\n\n{measured}\n\n{verdicts}\n",
             "table.md": report.markdown(results), "floors.md": judge.markdown(results), **plot.figures(entries)}
    for name, text in texts.items():
        with open(os.path.join(args.out, name), "w", encoding="utf-8") as f:
            f.write(text)
    say(f"\nwritten to {args.out}: {', '.join(texts)}")
    return measured, verdicts, failed, unjudged


def publish(args):
    """The figures of the last run into the README and docs; only when it has every row, of a full form."""
    results = stored_rows(args)
    missing = [w.name for w in WORKLOADS if w.name not in results or results[w.name].quick]
    if missing:
        raise BenchError(f"not measured in full: {', '.join(missing)} (BENCH_KEEP=1 adds rows to the last run)")
    args.client_cpu, _ = measuring.cpus()
    write_all(args, results)
    publishing.publish(args.out, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return 0


def compare(args):
    chosen = [w for w in WORKLOADS if re.search(args.select, w.name) and (w.in_quick or not args.quick)]
    if not chosen:
        raise BenchError(f"BENCH={args.select} selects nothing")
    args.client_cpu, server_cpu = measuring.cpus()
    watch = measuring.Watch(args.client_cpu)
    tls = any("--tls" in w.options for w in chosen)
    with contextlib.ExitStack() as servers:
        blast = servers.enter_context(measuring.Server(args.bin, server_cpu, tls))
        postgres = None
        if any(w.postgres for w in chosen):
            postgres = measuring.Postgres(server_cpu, tables=any(w.size is SIZES["table"] for w in chosen))
            servers.enter_context(postgres)
        results = stored_rows(args) if args.keep else {}
        for i, w in enumerate(chosen):
            server = postgres if w.postgres else blast
            results[w.name] = run_workload(args, server, w, watch, f"[{i + 1}/{len(chosen)}]")
            store_rounds(args, results)
    measured, verdicts, failed, unjudged = write_all(args, results)
    say(f"\n{measured}\n\n{verdicts}")
    if args.strict and failed:
        say(f"{failed} floors missed")
        return 1
    if args.strict and unjudged:
        say(f"{unjudged} floors could not be judged: the machine is not quiet")
        return 2
    return 0


# The deterministic gate ------------------------------------------------------------------------------


def compiler_name(cc):
    version = subprocess.run([cc.split()[0], "-dumpversion"], capture_output=True, text=True, check=True).stdout
    return f"{os.path.basename(cc.split()[0])}-{version.split('.')[0].strip()}-{platform.machine()}"


def gate_counts(args):
    chosen = [w for w in WORKLOADS if w.gated]
    args.client_cpu = None
    with measuring.Server(args.bin, None) as server, concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        jobs = {w: pool.submit(measuring.count, command(args, server, w, JUDGED), w.size["counted"]) for w in chosen}
        return {w: job.result() for w, job in jobs.items()}


def gate_judge(workload, known, metric, value, strict):
    """One line, and whether it fails: over what was recorded for this compiler plus the slack. The floor is
    judged instead when nothing was recorded, and besides when STRICT=1."""
    floor = next((c.floor for c in workload.checks if c.metric == metric), None)
    bound = known[metric] * workload.slack + 0.005 if metric in known else floor
    grown = bound is not None and value > bound
    over = floor is not None and value > floor
    bad = grown or (over and strict)
    words = f"{value:,.2f}" + ("" if bound is None else f" (at most {bound:,.2f})")
    if over:
        words += f", over the floor of {floor:g}"
    return f"{'MISSED' if bad else 'ok'.ljust(6)} {workload.name}: {metric} per {workload.unit}: {words}", bad


def gate(args):
    with open(args.gate, encoding="ascii") as f:
        recorded = json.load(f)
    key = compiler_name(args.compiler)
    missed, counts = 0, gate_counts(args)
    for workload, got in counts.items():
        for metric, value in got.items():
            line, bad = gate_judge(workload, recorded.get(key, {}).get(workload.name, {}), metric, value, args.strict)
            missed += bad
            if bad or value > 0.01:
                say(line)
    if args.record:
        recorded[key] = {w.name: {m: round(v, 3) for m, v in got.items()} for w, got in counts.items()}
        with open(args.gate, "w", encoding="ascii") as f:
            json.dump(recorded, f, indent=1, sort_keys=True)
            f.write("\n")
        say(f"recorded for {key}")
        return 0
    if key not in recorded:
        say(f"nothing is recorded for {key}: only the floors were looked at")
    return 1 if missed else 0


def main():
    parse = argparse.ArgumentParser(description="the bench of redw")
    parse.add_argument("--bin", required=True, help="where the programs are")
    parse.add_argument("--out", default="build/bench", help="where results go")
    parse.add_argument("--gate", help="count against this file instead of comparing")
    parse.add_argument("--record", action="store_true", help="with --gate: write what was counted")
    parse.add_argument("--compiler", default="gcc")
    parse.add_argument("--publish", action="store_true", help="the last run's figures into README and docs")
    args = parse.parse_args()
    args.quick = os.environ.get("BENCH_QUICK", "0") not in ("", "0")
    args.strict = os.environ.get("STRICT", "0") not in ("", "0")
    args.select = os.environ.get("BENCH", "")
    args.keep = os.environ.get("BENCH_KEEP", "0") not in ("", "0")
    args.rounds = int(os.environ.get("BENCH_ROUNDS") or (3 if args.quick else 9))
    args.machine = measuring.machine(args.compiler)
    args.no_valgrind = shutil.which("valgrind") is None
    if args.no_valgrind and (args.gate or args.strict):
        raise BenchError("valgrind is needed to count instructions (package valgrind)")
    return publish(args) if args.publish else gate(args) if args.gate else compare(args)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as e:
        sys.exit(f"bench: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
