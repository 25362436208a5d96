"""Whatever bytes come, what reads them does as it should; `make fuzz` looks for more of them."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

EXAMPLES = 40

target_each = pytest.mark.parametrize("target", [pytest.param(t, id=n) for n, t in TARGETS.items()])


@st.composite
def mutants(draw: st.DrawFn, target: Target) -> bytes:
    """Good input of which a few places are cut out, doubled, or replaced by other bytes."""
    data = draw(st.sampled_from([seed for seed in target.seeds if len(seed) < 3000]))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.sampled_from([0, 0, 1, 2, 10, 100])))
        put = draw(
            st.sampled_from(target.words) | st.binary(max_size=4) | st.just(data[at:end] * 2)
        )
        data = data[:at] + put + data[end:]
    return data


@target_each
def test_good_input_and_all_that_ever_failed_is_read_as_it_should_be(target: Target) -> None:
    for seed in target.seeds:
        target.check(seed)


@target_each
def test_what_is_made_of_it_is_read_as_it_should_be(target: Target) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(mutants(target))
    def check(data: bytes) -> None:
        target.check(data)

    check()


def test_the_page_tells_of_every_reader() -> None:
    page = (Path(__file__).parents[2] / "docs/fuzzing.md").read_text()
    table = page.partition("<!-- targets -->\n")[2].partition("<!-- /targets -->")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(TARGETS)
