"""One target, driven by atheris: never returns. `python -m tests.fuzz` starts it."""

import logging
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path

import atheris
import structlog

with atheris.instrument_imports(include=["bridge", "jinja2", "yaml", "tomllib"]):
    from tests.fuzz.target import Target
    from tests.fuzz.targets import TARGETS

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\w.+-]+|\s+|.', re.DOTALL)


def by_tokens(target: Target) -> Callable[[bytes, int, int], bytes]:
    """Change bytes as libFuzzer does, or a few tokens: what is JSON remains so more often."""

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)  # noqa: S311 - no secret
        if chance.random() < 0.5:
            mutated: bytes = atheris.Mutate(data, most)
            return mutated
        tokens = _TOKEN.findall(data) or [b""]
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            at = chance.randrange(len(tokens) + 1)
            end = at + chance.choice((0, 0, 1, 1, 1, 5, 20))
            tokens[at:end] = chance.choice(
                (
                    [],
                    [chance.choice(target.words)],
                    [chance.choice(tokens or [b""])],
                    tokens[at:end] * 2,
                )
            )
        return b"".join(tokens)[:most]

    return mutate


def main() -> None:
    """Fuzz the target that is named; the rest of the command line is libFuzzer's."""
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    target, broke = TARGETS[sys.argv.pop(1)], Path(sys.argv.pop(1))

    def check(data: bytes) -> None:
        try:
            target.check(data)
        except BaseException:
            broke.write_bytes(data)  # libFuzzer does not always come to it
            raise

    atheris.Setup(sys.argv, check, custom_mutator=by_tokens(target))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
