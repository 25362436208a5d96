"""The same request again, on the same socket or after another one was lost."""

from pathlib import Path

import pytest

from tests.fake_openai.client import FakeOpenAI
from tests.wire import (
    asking,
    bridge_running,
    came_true,
    dialled,
    noted,
    results,
    tool_call,
    write_tool,
)

BOOK = '''
@tool
async def book(room: int) -> str:
    """Book a room."""
    note("ran", str(room))
    await file_there("open")
    return f"booked {room}"
'''

ANSWER = "It is booked."


@pytest.fixture
async def folder(tmp_path: Path, openai: FakeOpenAI) -> Path:
    """A bridge's folder, with a model that books once and says so."""
    write_tool(tmp_path, "book", BOOK)
    await openai.script(asking(tool_call("book", room=7)), {"say": ANSWER})
    return tmp_path


async def test_the_same_request_twice_on_one_socket_runs_the_tool_and_speaks_once(
    folder: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.ask(1, "book")
        await millis.ask(1, "book")
        await came_true(lambda: noted(folder, "ran"))
        await millis.ask(1, "book")
        (folder / "open").touch()
        assert await millis.answer(1) == ANSWER
        await millis.ask(1, "book")
        await millis.settled()
        assert (millis.said(1), millis.endings(1)) == (ANSWER, 1)
    assert noted(folder, "ran") == ["7"]
    assert len(await openai.requests()) == 2


@pytest.mark.parametrize("stream_id", [1, 5])
async def test_an_answer_that_was_lost_with_its_socket_is_said_again_without_the_model(
    folder: Path, openai: FakeOpenAI, stream_id: int
) -> None:
    (folder / "open").touch()
    async with bridge_running(folder, openai.base_url) as bridge:
        for wire_number in range(3):
            async with dialled(bridge) as millis:
                await millis.start(0)
                greeting = await millis.answer(0)
                assert (greeting == "") is (wire_number > 0)
                number = stream_id if wire_number else 1
                assert await millis.asked(number, "book") == ANSWER
    assert noted(folder, "ran") == ["7"]
    assert len(await openai.requests()) == 2


async def test_an_answer_that_was_heard_on_a_lost_socket_is_not_said_again(
    folder: Path, openai: FakeOpenAI
) -> None:
    (folder / "open").touch()
    async with bridge_running(folder, openai.base_url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.asked(1, "book")
            data = {"stream_id": 1, "session_id": "s"}
            await millis.send({"type": "playback_finished", "data": data})
            await millis.settled()
        async with dialled(bridge) as millis:
            await millis.start(0)
            assert await millis.asked(1, "book") == ""
            assert millis.endings(1) == 1
    assert len(await openai.requests()) == 2


async def test_an_answer_that_was_cut_by_the_loss_is_given_anew_with_the_recorded_result(
    folder: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(folder, openai.base_url) as bridge:
        async with dialled(bridge) as lost:
            await lost.start(0)
            await lost.ask(1, "book")
            await came_true(lambda: noted(folder, "ran"))
        await openai.reset()
        await openai.script(asking(tool_call("book", "again", room="7")), {"say": ANSWER})
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.ask(1, "book")
            await openai.wait("finished", 1)
            (folder / "open").touch()
            assert await millis.answer(1) == ANSWER
    assert noted(folder, "ran") == ["7"]
    assert results((await openai.requests())[-1])["again"] == "booked 7"


async def test_of_two_sockets_with_one_session_the_newest_wins_while_a_tool_runs(
    folder: Path, openai: FakeOpenAI
) -> None:
    async with bridge_running(folder, openai.base_url) as bridge:
        async with dialled(bridge) as old, dialled(bridge) as new:
            await old.start(0)
            await old.ask(1, "book")
            await came_true(lambda: noted(folder, "ran"))
            await openai.reset()
            await openai.script(asking(tool_call("book", "again", room=7)), {"say": ANSWER})
            await new.start(0)
            await old.closed()
            await new.ask(1, "book")
            await openai.wait("finished", 1)
            (folder / "open").touch()
            assert await new.answer(1) == ANSWER
            assert not old.ended(1)
    assert noted(folder, "ran") == ["7"]


@pytest.mark.parametrize("session", ["", "other"])
async def test_another_call_has_nothing_of_it(
    folder: Path, openai: FakeOpenAI, session: str
) -> None:
    (folder / "open").touch()
    async with bridge_running(folder, openai.base_url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0, session="" if not session else "s")
            await millis.asked(1, "book")
        async with dialled(bridge) as millis:
            await millis.start(0, session=session)
            assert await millis.answer(0), "it is greeted"
            assert await millis.asked(1, "book") == "You said: book"


async def test_a_second_session_on_one_socket_begins_anew(folder: Path, openai: FakeOpenAI) -> None:
    (folder / "open").touch()
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        await millis.start(0, session="one")
        await millis.asked(1, "book")
        await millis.start(None, session="two")
        assert await millis.asked(2, "book") == "You said: book"
        await millis.start(7, session="one")
        assert await millis.asked(8, "book") == ANSWER
    assert len(await openai.requests()) == 3


async def test_a_request_before_start_call_on_a_new_socket_still_finds_the_deeds(
    folder: Path, openai: FakeOpenAI
) -> None:
    (folder / "open").touch()
    async with bridge_running(folder, openai.base_url) as bridge:
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.asked(1, "book")
        async with dialled(bridge) as millis:
            await millis.asked(2, "book", ANSWER, "thanks")
            await millis.start(0)
            await millis.asked(3, "book", ANSWER, "thanks", "You said", "so?")
    assert list(results((await openai.requests())[-1]).values()) == ["booked 7"]


async def test_the_same_words_asked_again_before_they_are_heard_run_no_tool_again(
    folder: Path, openai: FakeOpenAI
) -> None:
    (folder / "open").touch()
    await openai.script(asking(tool_call("book", room=7)), {"say": ANSWER})
    async with bridge_running(folder, openai.base_url) as bridge, dialled(bridge) as millis:
        assert await millis.asked(1, "book") == ANSWER
        assert await millis.asked(2, "book") == ANSWER
    assert noted(folder, "ran") == ["7"]


async def test_an_answer_that_is_heard_the_second_time_has_told_what_was_done(
    folder: Path, openai: FakeOpenAI
) -> None:
    (folder / "open").touch()
    async with bridge_running(folder, openai.base_url) as bridge:
        async with dialled(bridge) as lost:
            await lost.start(0)
            await lost.asked(1, "book")
        async with dialled(bridge) as millis:
            await millis.start(0)
            await millis.asked(1, "book")
            await openai.script(asking(tool_call("book", room=7)), {"say": ANSWER})
            await millis.asked(2, "book", ANSWER, "book another one")
    assert noted(folder, "ran") == ["7", "7"]
