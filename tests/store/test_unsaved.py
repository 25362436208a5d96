from pathlib import Path

import pytest

from bridge.store.spool.lines import encode
from bridge.store.spool.refused import NAME, Refused
from bridge.store.spool.unsaved import of_caller, of_session, unsaved
from tests.store.scenes import a_beginning, a_call, a_head, a_turn
from tests.store.spooling import Desk


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    """Spools of a process that is at work and of a dead one, and refused notes."""
    folder = tmp_path / "spool"
    living, dead = Desk.open(folder), Desk.open(folder)
    for note in a_call("c1", session_id="s"):
        living.spool.append(note)
    for note in (a_turn(a_head("c2", session_id="s")), a_beginning(a_head("c3"), caller="+1999")):
        dead.spool.append(note)
    living.spool.flush()
    dead.spool.flush()
    dead.die()
    refused = Refused(folder, 1 << 20)
    refused.add(a_turn(a_head("c4", session_id="s")))
    refused.add(a_beginning(a_head("c5"), caller="+1999"))
    return folder


def test_calls_are_found_by_session_id_and_number_in_every_spool(spool_dir: Path) -> None:
    assert unsaved(spool_dir, of_session("s")) == {"c1", "c2", "c4"}
    assert unsaved(spool_dir, of_session("c1")) == {"c1"}
    assert unsaved(spool_dir, of_caller("+1999")) == {"c3", "c5"}
    assert unsaved(spool_dir, of_session("nobody")) == set()


def test_a_line_that_is_being_written_is_nobodys(spool_dir: Path) -> None:
    line = encode(a_turn(a_head("c6", session_id="s")))
    (segment, *_) = spool_dir.glob("*/*.jsonl")
    with segment.open("ab") as file:
        file.write(line[:-20])

    assert unsaved(spool_dir, of_session("s")) == {"c1", "c2", "c4"}


def test_without_a_spool_there_is_nothing(tmp_path: Path) -> None:
    assert unsaved(tmp_path / "nowhere", of_session("s")) == set()
    (tmp_path / "deliveries").mkdir()
    (tmp_path / "file").touch()
    assert unsaved(tmp_path, of_session("s")) == set()


def test_what_cannot_be_read_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()

    with pytest.raises(OSError, match="directory"):
        unsaved(tmp_path, of_session("s"))


def test_refused_notes_of_some_calls_are_deleted(spool_dir: Path) -> None:
    refused = Refused(spool_dir, 1 << 20)
    assert refused.calls() == {"c4", "c5"}

    refused.erase({"c4", "another"})

    assert refused.calls() == {"c5"}
    Refused(spool_dir / "nowhere", 0).erase({"c4"})
    assert Refused(spool_dir / "nowhere", 0).calls() == set()
