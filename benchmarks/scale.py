"""What 100, 10,000 and 1,000,000 simultaneous calls need, from what calls were measured to cost.

`python benchmarks/scale.py [--out FILE]`: takes the costs from the kept results of
`benchmarks/speed` and `benchmarks/held`, plays days of a call centre, and writes the figures of
docs/scale.md as JSON, a picture beside them, and the page's tables to the terminal. It needs no
bridge, and half a minute.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.scaling.costs import Costs  # noqa: E402 - needs the path above
from benchmarks.scaling.needs import Centre  # noqa: E402
from benchmarks.scaling.page import page  # noqa: E402
from benchmarks.scaling.plot import draw  # noqa: E402
from benchmarks.scaling.reckoning import reckon  # noqa: E402


def main() -> None:
    """Reckon, keep, draw, print."""
    options = argparse.ArgumentParser(description=__doc__, prog="benchmarks/scale.py")
    options.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/scale.json")
    out = options.parse_args().out
    kept = reckon(Costs.read(), Centre())
    out.write_text(json.dumps(kept))
    draw(kept, out.with_suffix(".svg"))
    print(page(kept))


if __name__ == "__main__":
    main()
