"""`python -m tests.fuzz [TARGET …] [--seconds N]`: look for bytes that break what reads them.

Each target for so many seconds, guided by what of the bridge its input reaches (atheris). What was
learnt stays in .fuzz/, and the next run goes on from it. Ends with 1 if something broke: the bytes
that did it become a seed of their target, and then a test. `--input FILE` tries one file.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS, named

KEPT = Path(__file__).parents[2] / ".fuzz"
SLOWEST = 20
"""Seconds that one input may take."""
MOST_MEMORY = 2048
"""MiB that a worker may have."""
_SLOW = re.compile(r"^(?:artifact_prefix.*Test unit written to )(.+)$", re.MULTILINE)
_STATS = re.compile(r"^stat::(\w+):\s+(\d+)$", re.MULTILINE)


def fuzz(target: Target, seconds: int) -> bool:
    """Drive one target, and say in a line what came of it; whether all went well."""
    place = KEPT / target.name
    corpus, seeds, words = place / "corpus", place / "seeds", place / "words"
    for folder in (corpus, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (seeds / f"{number:02}").write_bytes(seed)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    broke = place / "broke"
    broke.unlink(missing_ok=True)
    worker = [sys.executable, "-m", "tests.fuzz.worker", target.name, str(broke)]
    limits = [f"-max_total_time={seconds}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MOST_MEMORY}"]
    told = [f"-dict={words}", f"-artifact_prefix={place}/", "-print_final_stats=1", "-verbosity=1"]
    with (place / "log").open("w+") as log:
        ended = subprocess.run(  # noqa: S603 - ours
            [*worker, str(corpus), str(seeds), *limits, *told],
            cwd=KEPT.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=seconds + 10 * SLOWEST,
            check=False,
        )
        log.seek(0)
        said = log.read()
    stats = dict(_STATS.findall(said))
    outcome = "held" if not ended.returncode else "BROKE"
    tries = int(stats.get("number_of_executed_units", 0))
    print(f"{target.name:<10} {outcome:<6} {tries:>10,} inputs in {seconds} s", flush=True)
    if ended.returncode:
        found = [str(broke)] if broke.exists() else _SLOW.findall(said)
        print(f"  {place / 'log'} says how", *found, sep="\n  by ", flush=True)
    return not ended.returncode


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def main() -> None:
    """Fuzz what is named, or all of it."""
    options = argparse.ArgumentParser(description=__doc__, prog="python -m tests.fuzz")
    options.add_argument("target", nargs="*", choices=[*TARGETS, []], help=", ".join(TARGETS))
    options.add_argument("--seconds", type=int, default=60, help="for each target")
    options.add_argument("--input", type=Path, help="try this one, and nothing else")
    asked = options.parse_args()
    targets = named(asked.target)
    if asked.input is not None:
        for target in targets:
            target.check(asked.input.read_bytes())
        return
    held = [fuzz(target, asked.seconds) for target in targets]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
