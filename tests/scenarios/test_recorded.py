"""Calls on record, made into scenarios, and these played."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.app import Bridge
from bridge.local.conversation import Conversation
from bridge.local.playback import at_rate
from bridge.local.speaking import Habits
from bridge.scenarios.reading import ScenarioError
from bridge.scenarios.recorded import Recorded, recorded
from bridge.scenarios.recorded_turns import Step
from bridge.scenarios.tree import tree_of
from bridge.scenarios.writing import written
from bridge.settings import Settings
from bridge.store.notes.plain import CUT
from bridge.store.shapes import CallDetail, Frame, ToolRun, Turn
from tests.cli.records import bridge_inside
from tests.scenarios.playing import ROOT, played, problems

QUICK = Habits(40, 0.01, 0.02, at_rate(40))
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_bridge(folder: Path) -> Bridge:
    """With the example tools, keeping a record."""
    return Bridge(
        Settings(
            port=0,
            model="demo",
            tools_dir=ROOT / "tools",
            prompts_dir=ROOT / "prompts",
            database_url=f"sqlite+aiosqlite:///{folder / 'calls.db'}",
            spool_dir=folder / "spool",
        )
    )


async def a_call(bridge: Bridge) -> None:
    """Speak over the greeting and an answer, have an order cancelled, say goodbye."""
    async with Conversation.dial(
        f"ws://127.0.0.1:{bridge.port}/millis",
        habits=QUICK,
        session_id="s",
        agent_id="shop",
        metadata={"name": "Ada: #1 *&!", "n": 1057, "day": "2026-01-01"},
        voip={"from": "+15550100", "to": "+15550199"},
    ) as talk:
        await talk.hear(await talk.barge_in("When are you open on Sunday?", words=3))
        await talk.say("Please tell me what you can do.")
        await talk.hear(await talk.barge_in("Please cancel my order 1057.", words=5))
        await talk.ask("Yes, please.")
        await talk.ask("Goodbye, please end the phone call.")
        async with asyncio.timeout(5):
            await talk.caller.over.wait()
    assert bridge.recorder is not None
    await bridge.recorder.written()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A record with a call in it."""
    folder = tmp_path_factory.mktemp("record")

    async def record() -> None:
        async with a_bridge(folder) as bridge:
            await a_call(bridge)

    asyncio.run(record())
    return f"sqlite+aiosqlite:///{folder / 'calls.db'}"


def made_of(url: str, *options: str, session: str = "s") -> tuple[int | None, str, str]:
    """Run the command: exit code, what it wrote to stdout and to stderr."""
    ran = bridge_inside(url, "calls", "to-scenario", *options, session)
    return ran.code, ran.out, ran.err


def test_a_real_call_becomes_a_scenario_that_passes(url: str) -> None:
    code, text, told = made_of(url, "--numbers", "--words")
    assert (code, told) == (0, "")
    scenario = tree_of(text).value
    assert scenario["model"] == "demo"
    assert scenario["call"] == {
        "agent_id": "shop",
        "metadata": {"name": "Ada: #1 *&!", "n": 1057, "day": "2026-01-01"},
        "from": "+15550100",
        "to": "+15550199",
    }
    one, two, three, four, five = scenario["turns"]
    assert (one["barge_in"], one["after_words"]) == ("When are you open on Sunday?", 3)
    assert one["expect"]["tools"] == [
        {"name": "opening_hours", "arguments": {"day": "Sunday"}, "outcome": "ok"}
    ]
    assert (two["say"], "tools" in two) == ("Please tell me what you can do.", False)
    assert (three["barge_in"], three["after_words"]) == ("Please cancel my order 1057.", 5)
    assert three["expect"]["tools"][0]["outcome"] == "refused"
    assert "cancelled" in four["tools"]["cancel_order"]
    assert five["expect"]["ends"] == "call"
    assert problems(played(text)) == []

    broken = text.replace("Sunday: closed", "Sunday: always open")
    assert [expected for _, expected, _ in problems(played(broken))] == ["says.contains"]


def test_the_command_writes_what_may_be_shared_into_a_new_file(url: str, tmp_path: Path) -> None:
    code, bare, told = made_of(url)
    assert (code, told) == (0, "")
    assert "+15550199" not in bare
    assert "--numbers" in bare
    assert "contains" not in bare
    assert "# then: " in bare

    file = tmp_path / "again.yaml"
    written_to = f"{file} written, with 5 turns: `bridge test {file}` plays it\n"
    assert made_of(url, "--out", str(file)) == (0, "", written_to)
    assert file.read_text() == bare
    refused = f"bridge: {file} is there already: name another file\n"
    assert made_of(url, "--words", "--out", str(file)) == (1, "", refused)
    assert file.read_text() == bare
    code, _, told = made_of(url, "--out", str(tmp_path / "no" / "where.yaml"))
    assert (code, "No such file" in told) == (1, True)
    unknown = "bridge: no call '-nobody' on record: `bridge calls` lists them\n"
    assert made_of(url, session="-nobody\x1b[31m") == (1, "", unknown)


# ── records of any kind ──────────────────────────────────────────────────────────────────────────

HOSTILE = (
    "x\n# y\nturns: []",
    "'''\n- say: \"mine\"",
    "!!python/object/apply:os.system [ls]",
    "&a [*a, *a]",
    "yes",
    "1e3",
    "=",
    "<<",
    "\u2028- say: mine\u2029\x85- say: mine",
    "\x1b[31m{}\x07 \ud7ff \ufeff \ufffe",
    "? - : | > % @ `",
    "---\n...",
    "日本語 😀 \u202e",
)


def a_turn(place: int = 0, **told: Any) -> Turn:
    row = {"number": place + 2, "stream_id": str(place + 1), "at_ms": 1000 * (place + 2)}
    rest = {"ahead": False, "said_chars": 0, "outcome": "complete", "tools_ms": 0}
    return Turn.model_validate({**row, **rest, "place": place, **told})


def a_run(name: str, **told: Any) -> ToolRun:
    row = {"id": name, "turn": 1, "name": name, "at_ms": 0, "outcome": "ok"}
    return ToolRun.model_validate({**row, **told})


def a_record(*turns: Turn, **told: Any) -> CallDetail:
    counts = ("interrupted", "failed", "tools", "slowest_ms", "tokens_in", "tokens_out", "turns")
    row = {"id": "c", "session_id": "s", "agent_id": "", "level": "full", "replica": "r"}
    state = {"started_at": BEGAN, "state": "ended", "ending": "hung_up"}
    return CallDetail.model_validate(
        {**row, **state, **dict.fromkeys(counts, 0), "timeline": turns, **told}
    )


def made(*calls: CallDetail, words: bool = True) -> dict[str, Any]:
    text = written(recorded(calls, words=words, numbers=False))
    found: dict[str, Any] = tree_of(text).value
    return found


def turns(*calls: CallDetail, words: bool = True) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made(*calls, words=words)["turns"]
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_was_said_stays_what_was_said(text: str) -> None:
    run = a_run("book", arguments={"what": text, text: [text]}, result=text, policy="has side …")
    call = a_record(
        a_turn(-1, said=text, model=text),
        a_turn(asked=f"a {text}", said=f"b {text}", tool_runs=(run,), failure=text),
        metadata={text: {text: text}},
        agent_id=text,
        continues=text,
    )
    for words in (True, False):
        scenario = made(call, words=words)
        assert scenario.keys() - {"greeting"} == {"about", "call", "turns"}
        assert scenario["call"]["agent_id"] == text
        assert scenario["call"]["metadata"] == {text: {text: text}}
        (turn,) = scenario["turns"]
        assert turn["say"] == f"a {text}".strip()
        assert turn["tools"] == {"book": text}
        assert turn["expect"]["tools"][0]["arguments"] == {"what": text, text: [text]}


def test_what_was_cut_from_the_record_is_not_expected_and_said_to_be_missing() -> None:
    cut = {"long": "x" + CUT, "short": 1, "deep": [{"a": CUT}]}
    run = a_run("look", arguments=cut, policy="reads only")
    call = a_record(
        a_turn(asked="Well, " + CUT, said="Yes. " + CUT, tool_runs=(run,)),
        metadata={"name": "Ada", CUT: "3 more"},
    )
    assert made(call)["call"] == {"metadata": {"name": "Ada"}}
    assert turns(call) == [
        {
            "say": "Well,",
            "expect": {
                "says": {"contains": ["Yes."]},
                "tools": [{"name": "look", "arguments": {"short": 1}, "outcome": "ok"}],
            },
        }
    ]
    text = written(recorded([call], words=True, numbers=False))
    for remark in ("# The record has only the beginning", "# Arguments of look that", "# Metadata"):
        assert remark in text


def test_results_stand_in_for_side_effects_and_outcomes_of_chance_are_not_expected() -> None:
    runs = (
        a_run("look", result="free", policy="reads only · stops"),
        a_run("book", result="booked", policy="has side effects"),
        a_run("pay", result="No card.", policy="has side effects", outcome="failed"),
        a_run("ring", result="late", policy="has side effects", outcome="timeout"),
        a_run("end_call", result="The call ends"),
    )
    (turn,) = turns(a_record(a_turn(asked="Go.", tool_runs=runs), ending="ended"), words=False)
    assert turn["tools"] == {
        "book": "booked",
        "pay": {"fails": "No card."},
        "ring": {"result": "late", "after": 3600.0},
    }
    assert turn["expect"] == {
        "tools": [
            {"name": "look", "outcome": "ok"},
            {"name": "book", "outcome": "ok"},
            {"name": "pay", "outcome": "failed"},
            {"name": "ring"},
        ],
        "ends": "call",
    }


def test_a_line_that_was_asked_twice_is_said_once_with_all_that_was_done() -> None:
    one, two = a_run("one"), a_run("two")
    first = a_record(
        a_turn(-1, said="Hello."),
        a_turn(asked="Where?", tool_runs=(one,), outcome="hung_up"),
    )
    second = a_record(
        a_turn(asked="Where?", said="Here.", tool_runs=(two,)), a_turn(1, asked="Ah.")
    )
    there, ah = turns(first, second)
    assert [tool["name"] for tool in there["expect"]["tools"]] == ["one", "two"]
    assert there["expect"]["says"] == {"contains": ["Here."]}
    assert ah == {"say": "Ah."}


def test_a_transfer_is_expected_with_its_number_if_the_messages_were_kept() -> None:
    message = {"type": "transfer_call", "data": {"stream_id": 1, "destination": "+15550199"}}
    frames = (Frame(at_ms=9, way="out", message=message),)
    for kept, expected in ((frames, {"transfer": "+15550199"}), (None, None)):
        call = a_record(a_turn(asked="A human!"), ending="transferred", frames=kept)
        (turn,) = turns(call)
        assert turn.get("expect", {}).get("ends") == expected


def a_frame(at_ms: int, way: str, kind: str, **data: object) -> Frame:
    message = {"type": kind, "data": data}
    return Frame.model_validate({"at_ms": at_ms, "way": way, "message": message})


def said(at_ms: int, content: str, *, end: bool = False) -> Frame:
    data = {"stream_id": 1, "content": content, "end_of_stream": end}
    return a_frame(at_ms, "out", "stream_response", **data)


def test_a_silence_that_the_agent_broke_is_kept() -> None:
    frames = (
        said(0, "Yes."),
        said(1, "", end=True),
        a_frame(500, "in", "playback_finished", stream_id=1),
        said(8500, "Hello?"),
        said(8501, "", end=True),
        a_frame(9000, "in", "playback_finished", stream_id=1),
        a_frame(12_000, "in", "partial_transcript", transcript="I"),
    )
    call = a_record(
        a_turn(asked="Well?", said="Yes.", heard="Yes. Hello?"),
        a_turn(1, asked="I am here."),
        frames=frames,
        ended_at=BEGAN + timedelta(seconds=20),
    )
    assert turns(call) == [
        {"say": "Well?", "expect": {"says": {"contains": ["Yes."]}}},
        {"silence": 11.5, "expect": {"says": {"contains": "Hello?"}}},
        {"say": "I am here."},
    ]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (a_record(a_turn(), level="metadata"), "no words were kept"),
        (a_record(), "the caller said nothing"),
        (a_record(a_turn(asked=" ")), "the caller said nothing"),
    ],
)
def test_a_call_without_words_makes_no_scenario(call: CallDetail, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        recorded([call], words=False, numbers=False)


def test_nothing_is_written_that_cannot_be_read_back() -> None:
    with pytest.raises(ScenarioError, match="longer than"):
        written(Recorded({"about": "x" * 300_000}, [], steps=[Step({"say": "x"})]))
    nan = {"call": {"metadata": {"a": float("nan")}}}
    with pytest.raises(ScenarioError, match="cannot be written"):
        written(Recorded(nan, [], steps=[Step({"say": "x"})]))
