"""What is read of earlier calls when one begins."""

import asyncio
import time
from typing import Any

import pytest

from bridge.call.events import CallData
from bridge.call.memory import Deed, Exchange, Past
from bridge.store.database.database import Database
from bridge.store.notes.note import Note
from bridge.store.reading.archive import Archive
from bridge.store.reading.earlier import EarlierCalls, Rules
from bridge.store.reading.persons import known_number
from tests.store.scenes import BEGAN, a_beginning, a_call, a_head, a_tool, a_turn, seed

NUMBER, LINE = "+15550123", "+15550999"
CALLER: dict[str, Any] = {"caller": NUMBER, "called": LINE}


class Recorder:
    """What is needed of the recorder; this process is called `here`."""

    replica = "here"

    def __init__(self, database: Database) -> None:
        self.database = database
        self.healthy = True
        self.catches_up = asyncio.Event()
        self.catches_up.set()

    async def written(self) -> None:
        await self.catches_up.wait()


def earlier(database: Database, **rules: Any) -> EarlierCalls:
    return EarlierCalls(Recorder(database), Rules(**rules))


def a_new_call(**data: Any) -> CallData:
    return CallData(**{"session_id": "new", "agent_id": "agent", "continues": "s-c1", **data})


def unnamed(**data: Any) -> CallData:
    return a_new_call(continues="", **data)


async def found(database: Database, call: CallData, **rules: Any) -> Past:
    past = await earlier(database, **rules).past(call)
    assert isinstance(past, Past), past
    return past


async def exchanges(database: Database, *notes: Note) -> list[Exchange]:
    """What is read of a call with these notes."""
    await database.save([a_beginning(a_head()), *notes])
    return list((await found(database, a_new_call())).exchanges)


# ── which call ───────────────────────────────────────────────────────────────────────────────────


async def test_a_call_is_found_by_its_session(database: Database) -> None:
    await seed(database, a_call("c1"), a_call("c2"))
    past = await found(database, a_new_call())
    assert past.session_id == "s-c1"
    assert past.began.timestamp() == BEGAN / 1000
    assert [one.caller for one in past.exchanges] == ["Question 1?"], "not the opening"


@pytest.mark.parametrize(
    ("call", "miss"),
    [
        (a_new_call(continues="nobody"), "unknown"),
        (a_new_call(continues="' OR 1=1 --"), "unknown"),
        (a_new_call(continues="c1"), "unknown"),
        (a_new_call(continues="nul\0\ud800"), "unknown"),
        (a_new_call(agent_id="another"), "refused"),
        (a_new_call(agent_id=""), "refused"),
    ],
)
async def test_a_call_that_is_not_there_or_another_agents_is_not_found(
    database: Database, call: CallData, miss: str
) -> None:
    await seed(database, a_call("c1"))
    assert await earlier(database).past(call) == miss


@pytest.mark.parametrize(
    ("before", "now", "agrees"),
    [
        (CALLER, CALLER, True),
        (CALLER, {"caller": "+15550124"}, False),
        (CALLER, {}, False),
        ({"caller": None}, {}, False),
        ({"caller": "anonymous"}, {"caller": "anonymous"}, False),
        ({"user_id": "7"}, {"metadata": {"user_id": 7}}, True),
        ({"user_id": "7"}, {"metadata": {"user_id": "8"}}, False),
        ({**CALLER, "user_id": "7"}, {**CALLER, "metadata": {"user_id": "8"}}, False),
        ({**CALLER, "user_id": "7"}, {"metadata": {"user_id": "7"}}, True),
        ({**CALLER, "user_id": "7"}, CALLER, True),
        ({"user_id": ""}, {"metadata": {"user_id": ""}}, False),
        ({"user_id": None}, {"metadata": {"user_id": None}}, False),
        ({"user_id": "7"}, {"metadata": {"user_id": ["7"]}}, False),
    ],
)
async def test_the_same_caller_is_who_has_the_number_or_the_user_id(
    database: Database, before: dict[str, Any], now: dict[str, Any], agrees: bool
) -> None:
    await seed(database, a_call("c1", said=before))
    past = await earlier(database, continuation="same-caller").past(a_new_call(**now))
    assert isinstance(past, Past) is agrees
    assert agrees or past == "refused"
    assert isinstance(await earlier(database).past(a_new_call(**now)), Past), "by id it is"


@pytest.mark.parametrize(
    ("call", "rules", "asks"),
    [
        (a_new_call(), {}, True),
        (a_new_call(session_id="s-c1"), {}, False),
        (a_new_call(), {"continuation": "off", "remember_callers": True}, False),
        (a_new_call(), {"continuation": "same-caller"}, True),
        (unnamed(**CALLER), {}, False),
        (unnamed(**CALLER), {"remember_callers": True}, True),
        (unnamed(), {"remember_callers": True}, False),
        (unnamed(caller="anonymous"), {"remember_callers": True}, False),
        (unnamed(metadata={"user_id": "7"}), {"remember_callers": True}, True),
    ],
)
def test_only_who_may_go_on_is_looked_up(call: CallData, rules: Any, asks: bool) -> None:
    assert EarlierCalls(Recorder(Database("sqlite+aiosqlite:///none")), Rules(**rules)).asks(
        call
    ) is (asks)


async def test_the_connections_of_a_session_are_read_together(database: Database) -> None:
    one, two = a_head("c1", session_id="s"), a_head("c2", session_id="s", started_at=BEGAN + 60_000)
    await database.save(
        [a_turn(one, 1), a_turn(two, 1, place=1, asked="And now?"), a_turn(one, 2, place=0)]
    )
    past = await found(database, a_new_call(continues="s"))
    assert [one.caller for one in past.exchanges] == ["Question 2?", "And now?"]
    assert past.began.timestamp() == BEGAN / 1000 + 60


# ── a known caller ───────────────────────────────────────────────────────────────────────────────

REMEMBER = {"remember_callers": True}


async def test_of_a_known_caller_the_newest_call_with_words_is_found(database: Database) -> None:
    await seed(
        database,
        a_call("old", said=CALLER),
        a_call("newest", said=CALLER, started_at=BEGAN + 1000),
        a_call("silent", said=CALLER, started_at=BEGAN + 2000, turns=0),
        a_call("greeted", said=CALLER, started_at=BEGAN + 3000, turns=0),
        a_call("other", said={**CALLER, "caller": "+15550124"}, started_at=BEGAN + 4000),
        a_call("own", said=CALLER, started_at=BEGAN + 5000, session_id="new"),
        a_call("foreign", said=CALLER, started_at=BEGAN + 6000, agent_id="another"),
    )
    opening = a_turn(a_head("greeted"), 0, place=-1, asked="")
    await database.save([opening])
    past = await found(database, unnamed(**CALLER), **REMEMBER)
    assert past.session_id == "s-newest"


@pytest.mark.parametrize(
    "data",
    [
        {"caller": "+15550124", "called": LINE},
        {"caller": NUMBER, "called": "+15550888"},  # it may be the line's own number
        {"caller": LINE, "called": NUMBER},
        {"caller": NUMBER},
        {**CALLER, "metadata": {"user_id": "7"}},
    ],
)
async def test_nobody_elses_call_is_found(database: Database, data: dict[str, Any]) -> None:
    await seed(database, a_call("c1", said=CALLER))
    assert await earlier(database, **REMEMBER).past(unnamed(**data)) == "unknown"


async def test_the_user_id_decides_whose_call_it_is(database: Database) -> None:
    await seed(
        database,
        a_call("theirs", said={**CALLER, "caller": "+15550124", "user_id": "7"}),
        a_call("family", said={**CALLER, "user_id": "8"}, started_at=BEGAN + 1000),
    )
    call = unnamed(**CALLER, metadata={"user_id": 7})
    assert (await found(database, call, **REMEMBER)).session_id == "s-theirs"


async def test_of_the_session_only_what_that_caller_said_is_read(database: Database) -> None:
    one, two = a_head("c1", session_id="s"), a_head("c2", session_id="s", started_at=BEGAN + 1000)
    await database.save([a_beginning(one, **CALLER), a_turn(one, 1)])
    await database.save([a_beginning(two, caller="+15550124"), a_turn(two, 1, asked="Mine.")])
    past = await found(database, unnamed(**CALLER), **REMEMBER)
    assert [one.caller for one in past.exchanges] == ["Question 1?"]


async def test_calls_without_a_session_are_read_alone(database: Database) -> None:
    await seed(
        database,
        a_call("c1", said=CALLER, session_id="", turns=6),
        a_call("c2", said=CALLER, session_id="", started_at=BEGAN + 1000, turns=3),
        a_call("c3", said={"caller": "+15550124"}, session_id="", started_at=BEGAN + 2000),
    )
    past = await found(database, unnamed(**CALLER), **REMEMBER)
    assert (past.session_id, past.began.timestamp()) == ("", BEGAN / 1000 + 1)
    assert [one.caller for one in past.exchanges] == ["Question 1?", "Question 2?"]


@pytest.mark.parametrize(
    "caller",
    [
        *("anonymous", "Anonymous", "unknown", "restricted", "private", "unavailable", ""),
        *("+266696687", "266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"),
        *("+1266696687", "+17378742833", "0000000000", "+10000000000", "+11111111111", "1001"),
        *("sip:anonymous@anonymous.invalid", "sip:+15550123@example.com", "client:alice", " "),
        *("+", "-", "n/a", "null", "None", "+1555012x", "+1-2-3-4-5", "*67", "٠١٢٣٤٥٦٧٨"),
    ],
)
async def test_a_withheld_number_is_nobodys(database: Database, caller: str) -> None:
    await seed(database, a_call("c1", said={"caller": caller, "called": LINE}))
    call = unnamed(caller=caller, called=LINE)
    assert not earlier(database, **REMEMBER).asks(call)
    rules: dict[str, Any] = {"continuation": "same-caller"}
    assert await earlier(database, **rules).past(a_new_call(caller=caller)) == "refused"


@pytest.mark.parametrize("number", ["+15550123", "+44 20 7946 0958", "0207-946-0958", "5550123"])
def test_a_number_is_somebodys(number: str) -> None:
    assert known_number(number) == number


async def test_an_erased_call_is_not_found(database: Database) -> None:
    await seed(database, a_call("c1", said=CALLER))
    await Archive(database).erase_caller(NUMBER)
    assert await earlier(database).past(a_new_call()) == "unknown"
    assert await earlier(database, **REMEMBER).past(unnamed(**CALLER)) == "unknown"


# ── what is read of it ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("row", "answer", "told"),
    [
        ({"heard": "All of it."}, "All of it.", ""),
        ({"heard": "All", "heard_chars": 3}, "All", "You were cut off here."),
        ({"heard": "", "heard_chars": 0}, "", "You were cut off: nothing was heard."),
        ({"heard": None}, "All of it.", ""),
        ({"heard": None, "outcome": "failed"}, "All of it.", "Something went wrong"),
        ({"heard": "All of it.", "outcome": "failed"}, "All of it.", "Something went wrong"),
        *(
            ({"heard": None, "outcome": outcome}, "All of it.", "may not have heard all")
            for outcome in ("interrupted", "superseded", "hung_up")
        ),
    ],
)
async def test_an_answer_is_what_the_caller_heard_of_it(
    database: Database, row: dict[str, Any], answer: str, told: str
) -> None:
    (one,) = await exchanges(database, a_turn(a_head(), 1, said="All of it.", **row))
    assert (one.caller, one.answer) == ("Question 1?", answer)
    assert told in one.note
    assert bool(told) is bool(one.note)


async def test_requests_for_one_line_of_the_callers_are_one_exchange(database: Database) -> None:
    head = a_head()
    told = await exchanges(
        database,
        a_turn(head, 1, place=0, asked="Book", said="", heard="", heard_chars=0),
        a_turn(head, 2, place=0, asked="Book it please", said="Booked.", heard="Booked."),
        a_turn(head, 3, place=0, asked="Book it please", said="Booked.", heard="Booked."),
        a_tool(head, "t1", turn=1),
        a_tool(head, "t2", turn=2, at_ms=900),
        a_turn(head, 4, place=1, asked="Thanks"),
    )
    assert [(one.caller, one.answer, len(one.deeds)) for one in told] == [
        ("Book it please", "Booked.", 2),
        ("Thanks", "Answer 4.", 0),
    ]


async def test_what_was_done_is_told_with_its_outcome(database: Database) -> None:
    head = a_head()
    (one,) = await exchanges(
        database,
        a_turn(head, 1),
        a_tool(head, "t1", turn=1),
        a_tool(head, "t2", turn=1, outcome="failed", result="No.", at_ms=400, arguments={}),
        a_tool(head, "t3", turn=1, outcome=None, result=None, at_ms=500, arguments={"name": "Zoë"}),
        a_tool(head, "t4", turn=1, at_ms=600, arguments={"text": "x" * 9000}, result="y" * 9000),
    )
    *told, long = one.deeds
    assert told == [
        Deed("look_up", {"order": 17}, "It is on its way.", "ok"),
        Deed("look_up", {}, "No.", "failed"),
        Deed("look_up", {"name": "Zoë"}, "", "unknown: it may have been done"),
    ]
    assert isinstance(long.arguments, str)
    assert len(long.arguments) + len(long.result) < 5000


async def test_an_opening_counts_only_if_something_was_done_in_it(database: Database) -> None:
    head = a_head()
    told = await exchanges(
        database,
        a_turn(head, 1, place=-1, asked="", said="Hello."),
        a_tool(head, "t1", turn=2),
        a_turn(head, 2, place=-1, asked="", said="Hello, Zoë.", heard=None),
    )
    assert [(one.caller, one.answer, len(one.deeds)) for one in told] == [("", "Hello, Zoë.", 1)]


async def test_what_was_done_in_a_turn_that_never_ended_is_told(database: Database) -> None:
    head = a_head()
    told = await exchanges(database, a_turn(head, 1), a_tool(head, "t1", turn=2, at_ms=9000))
    assert [len(one.deeds) for one in told] == [0, 1]
    assert "not answered" in told[-1].note


async def test_of_a_long_call_the_end_is_read(database: Database) -> None:
    head = a_head()
    told = await exchanges(
        database,
        *(a_turn(head, number) for number in range(1, 300)),
        *(a_tool(head, f"t{n}", turn=n, at_ms=4000 * n) for n in range(1, 300, 3)),
    )
    assert told[-1].caller == "Question 299?"
    assert 90 < len(told) <= 101
    assert all(one.caller for one in told), "no tools without their turns"


async def test_without_words_on_record_there_is_nothing_to_read(database: Database) -> None:
    head = a_head(level="metadata")
    row: dict[str, Any] = {"asked": None, "said": None, "heard": None}
    deed: dict[str, Any] = {"arguments": None, "result": None}
    await database.save([a_beginning(head, **CALLER), a_turn(head, 1, **row)])
    await database.save([a_tool(head, turn=1, **deed)])
    assert (await found(database, a_new_call())).exchanges == ()
    assert await earlier(database, **REMEMBER).past(unnamed(**CALLER)) == "unknown"


# ── a database that is not well ──────────────────────────────────────────────────────────────────


async def test_what_was_noted_last_is_waited_for_but_not_long(database: Database) -> None:
    await seed(database, a_call("c1"))
    recorder = Recorder(database)
    recorder.catches_up.clear()
    began = time.monotonic()
    past = await EarlierCalls(recorder, Rules()).past(a_new_call())
    assert isinstance(past, Past), "what is there is better than nothing"
    assert 0.2 < time.monotonic() - began < 5


async def test_a_database_that_is_away_is_told_and_not_waited_for_again(
    database: Database, tmp_path: Any
) -> None:
    gone = Database(f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/calls.db")
    calls = EarlierCalls(Recorder(gone), Rules())
    assert await calls.past(a_new_call()) == "away"
    assert await calls.deeds(a_new_call()) == ()
    assert [calls.healthy] == [False]
    calls._record = Recorder(database)
    assert await calls.past(a_new_call()) == "unknown"
    assert calls.healthy


async def test_a_record_that_is_not_healthy_is_not_waited_for(database: Database) -> None:
    recorder = Recorder(database)
    calls = EarlierCalls(recorder, Rules())
    assert calls.healthy
    recorder.healthy = False
    assert not calls.healthy


async def test_a_look_up_that_hangs_keeps_others_from_waiting(postgres_url: str) -> None:
    database = Database(postgres_url)
    await database.open()
    calls = EarlierCalls(Recorder(database), Rules())
    async with database.writing() as locking:
        await locking.exec_driver_sql("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE")
        look = asyncio.create_task(calls.deeds(a_new_call()))
        async with asyncio.timeout(10):
            while calls.healthy:  # noqa: ASYNC110 - time itself makes it so
                await asyncio.sleep(0.01)
        await asyncio.sleep(1.1)
        began = time.monotonic()
        assert await calls.past(a_new_call()) == "away", "it is not asked by all of them"
        assert time.monotonic() - began < 2
        look.cancel()
        await asyncio.wait({look}, timeout=5)
        assert look.cancelled(), "at once, when the call ends"
    await calls.deeds(a_new_call())
    assert [calls.healthy] == [True]
    await database.close()
