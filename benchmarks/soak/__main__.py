"""Callers on bad lines talk to a bridge for a while, with a model and tools that fail.

`python benchmarks/soak [--minutes 10] [--calls 50] [--seed N] [--out FILE] [--page]`: the bridge
runs as users run it, on one core, with its record in SQLite; callers, their lines and the model
have the others. Prints what is held and what was found, keeps it as JSON with every sample, and
ends with 1 if anything is not as it must be. The same seed makes the same chances, not the same
moments. `--page` puts what is kept on docs/soak.md.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.soak.page import write  # noqa: E402 - needs the path above
from benchmarks.soak.running import soak  # noqa: E402
from benchmarks.soak.verdict import counts, found, table, violated  # noqa: E402


def main() -> None:
    """Soak, keep, print."""
    options = argparse.ArgumentParser(description=__doc__, prog="benchmarks/soak")
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--calls", type=int, default=50)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/soak.json")
    options.add_argument("--page", action="store_true", help="only have docs/soak.md show --out")
    asked = options.parse_args()
    if asked.page:
        write(json.loads(asked.out.read_text()))
        return
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        kept = asyncio.run(soak(Path(folder), asked.minutes, asked.calls, asked.seed))
    asked.out.write_text(json.dumps(kept) + "\n")
    print(counts(kept), table(kept), sep="\n\n")
    for each in kept["told"]:
        print(json.dumps(each))
    for each in found(kept):
        if not each.met:
            print(f"not met: {each.what}: {each.found:g}")
    sys.exit(violated(kept))


if __name__ == "__main__":
    main()
