"""Every fault of the catalogue is shown: by a case, or elsewhere, where it is said why."""

import ast
from pathlib import Path

import pytest

from tests.faults.catalogue import COUNT, Fault, catalogue
from tests.faults.oracles import ORACLES
from tests.faults.registry import Case, every_case

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def unshown(faults: dict[str, Fault], cases: list[Case]) -> list[str]:
    """Faults that no case and no other test shows, though they are not open."""
    played = {case.id for case in cases}
    return [id_ for id_, f in faults.items() if not (id_ in played or f.shown or f.open)]


def is_there(shown: str) -> bool:
    """Whether a test, a file or a command exists."""
    if shown.startswith("make "):
        return f"\n{shown.removeprefix('make ')}:" in MAKEFILE
    file, _, test = shown.partition("::")
    path = ROOT / file
    if not test:
        return path.exists()
    body = ast.parse(path.read_text(encoding="utf-8")).body if path.exists() else []
    return any(getattr(node, "name", None) == test for node in body)


def test_no_id_is_missing() -> None:
    assert set(catalogue()) == {f"{s}{n}" for s, most in COUNT.items() for n in range(1, most + 1)}


def test_every_fault_is_shown() -> None:
    assert unshown(dict(catalogue()), every_case()) == []


def test_a_fault_that_nothing_shows_would_be_found() -> None:
    fault = Fault(trigger="a fire", required="it is put out")
    assert unshown({"Z1": fault}, every_case()) == ["Z1"]


def test_no_fault_is_open_that_is_shown() -> None:
    played = {case.id for case in every_case()}
    done = [id_ for id_, f in catalogue().items() if f.open and (f.shown or id_ in played)]
    assert done == [], "take `open` from them"


def test_what_is_shown_elsewhere_is_there_and_says_why() -> None:
    for id_, fault in catalogue().items():
        assert all(map(is_there, fault.shown)), f"{id_}: one of {fault.shown} is not there"
        assert bool(fault.shown) == bool(fault.why), f"{id_}: `shown` needs its `why`"


@pytest.mark.parametrize("shown", ["make nothing", "tests/nothing.py", f"{__name__}.py::test_no"])
def test_what_is_not_there_would_be_found(shown: str) -> None:
    assert not is_there(shown)


def test_what_only_make_soak_shows_has_a_case_there() -> None:
    long = {case.id for case in every_case() if case.long}
    alone = {id_ for id_, fault in catalogue().items() if fault.shown == ("make soak",)}
    assert alone <= long
    played = {case.id for case in every_case() if not case.long}
    assert long <= played | {id_ for id_, fault in catalogue().items() if fault.shown}


def test_cases_have_ids_of_the_catalogue_and_names_of_their_own() -> None:
    cases = every_case()
    assert {case.id for case in cases} <= set(catalogue())
    assert len({case.name for case in cases}) == len(cases)


def test_an_oracle_is_left_out_only_by_its_name_and_with_a_reason() -> None:
    for case in every_case():
        assert set(case.without) <= set(ORACLES), case.name
        assert all(len(why.split()) > 2 for why in case.without.values()), case.name
