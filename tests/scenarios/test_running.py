"""Scenarios against real bridges in this process; all but the last on a virtual clock."""

from pathlib import Path

import pytest

from bridge.scenarios.reading import ScenarioError
from bridge.scenarios.running import on_its_clock, run
from tests.fake_openai.client import FakeOpenAI
from tests.scenarios.playing import QUICK, played, problems, scenario, settings
from tests.wire import noted, write_tool

LOOK = """
from bridge import policy

@policy(read_only=True)
@tool
async def look(day: str) -> str:
    '''Look for a free table.'''
    await asyncio.sleep(2)
    note("looked", day)
    return "table 4"
"""
BOOK = """
@tool
async def book(table: int) -> str:
    '''Book a table.'''
    note("booked", str(table))
    return f"booked table {table}"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_tool(tmp_path, "look", LOOK)
    write_tool(tmp_path, "book", BOOK)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text("Hello, {{ metadata.name }}.")
    (tmp_path / "prompts" / "silence.md").write_text("Are you there?\nGoodbye then.")
    return tmp_path


# ── tools ────────────────────────────────────────────────────────────────────────────────────────

BOOKING = """
model:
  - calls: [{name: look, arguments: {day: friday}}]
  - calls: [{name: book, arguments: {table: 4}}]
  - says: It is done.
turns:
  - say: Book a table for Friday.
    expect: {tools: [look, book]}
"""


def test_a_tool_that_only_reads_is_run_and_one_with_side_effects_is_not(shop: Path) -> None:
    outcome = played(BOOKING, shop)

    assert noted(shop, "looked") == ["friday"]
    assert noted(shop, "booked") == []
    assert not outcome.passed
    assert problems(outcome) == [
        (
            7,
            "",
            "book has side effects and was not run: write what it gives under tools, or name it in "
            "live_tools",
        )
    ]
    assert outcome.turns[1].tools[1].outcome == "failed"
    assert not (shop / "calls.db").exists()


def test_a_tool_with_a_result_gives_it_without_being_run(shop: Path) -> None:
    outcome = played("tools: {book: {result: {ok: true}}}" + BOOKING, shop)

    assert outcome.passed
    assert noted(shop, "booked") == []
    assert [tool.result for tool in outcome.turns[1].tools] == ["table 4", '{"ok": true}']


def test_a_tool_that_the_scenario_trusts_is_really_run(shop: Path) -> None:
    assert played("live_tools: book" + BOOKING, shop).passed
    assert noted(shop, "booked") == ["4"]


def test_a_tool_may_fail_and_take_its_time_in_one_turn_only(shop: Path) -> None:
    outcome = played(
        """
        tools: {look: table 1}
        model:
          - calls: {name: look, arguments: {day: monday}}
          - says: Sorry.
          - calls: {name: look, arguments: {day: friday}}
          - says: Table one.
        turns:
          - say: Monday?
            tools: {look: {fails: Closed on Mondays., after: 1.75}}
            expect: {tools: {name: look, outcome: failed}, dead_air: 1.5}
          - say: Friday?
            expect: {tools: {name: look, outcome: ok}}
        """,
        shop,
    )

    assert problems(outcome) == [(11, "dead_air", "the caller heard nothing for 1.75 s")]
    results = [tool.result for turn in outcome.turns for tool in turn.tools]
    assert results == ["Closed on Mondays.", "table 1"]
    assert noted(shop, "looked") == []


def test_arguments_that_a_tool_refuses_are_refused_though_it_has_a_result(shop: Path) -> None:
    outcome = played(
        """
        tools: {book: done}
        model:
          - calls: {name: book, arguments: {table: the big one}}
          - says: Well.
        turns:
          - say: Book it.
            expect: {tools: {name: book, outcome: ok}}
        """,
        shop,
    )

    ((line, expected, problem),) = problems(outcome)
    assert (line, expected) == (8, "tools")
    assert "its outcome is refused" in problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("turns:\n- say: x\n  expect:\n    never_tools: [look, boook]",
         "this.yaml:4: there is no tool boook (did you mean book?)"),
        ("tools: {look: x}\nlive_tools: zzz",
         "this.yaml:2: there is no tool zzz (`bridge tools` lists them)"),
        ("call: {persona: night}", "this.yaml:1: there is no persona night"),
    ],
)  # fmt: skip
def test_a_name_that_means_nothing_is_told_with_its_line(shop: Path, text: str, told: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        played(text, shop)
    assert str(caught.value).endswith(told)


def test_nothing_is_played_while_a_tool_does_not_load(shop: Path) -> None:
    (shop / "tools" / "broken.py").write_text("import nothing_like_that\n")
    with pytest.raises(ScenarioError, match=r"tools/broken\.py:1: .*nothing_like_that"):
        played("turns: []", shop)


# ── the script ───────────────────────────────────────────────────────────────────────────────────


def test_a_script_that_runs_out_is_told_at_the_turn_that_it_lacks(shop: Path) -> None:
    outcome = played("model:\n- says: One.\nturns:\n- say: a\n- say: b\n- say: c", shop)

    assert [turn.said for turn in outcome.turns[:2]] == ["Hello, .", "One."]
    told = "the script has no message left for this answer"
    assert problems(outcome) == [(5, "", told), (6, "", told)]


def test_a_script_that_is_not_used_up_is_told_at_its_first_message_left(shop: Path) -> None:
    outcome = played("model:\n- says: One.\n- says: Two.\n- says: Three.\nturns:\n- say: a", shop)

    told = "the model was not asked for this: 2 messages left over"
    assert problems(outcome) == [(3, "model", told)]


def test_another_model_answers_where_it_is_asked_to(shop: Path) -> None:
    outcome = played("model:\n- says: One.\nturns:\n- say: hello", shop, model="demo")

    assert (outcome.model, outcome.passed) == ("demo", True)
    assert "demo" in outcome.turns[1].said


def test_a_script_is_not_spent_on_answers_that_were_begun_too_early(shop: Path) -> None:
    text = "model:\n- says: One.\n- says: Two.\nturns:\n- say: a b c\n- say: d e f"
    outcome = played(text, shop, think_ahead="any")

    assert problems(outcome) == []
    assert [turn.said for turn in outcome.turns[1:]] == ["One.", "Two."]


def test_no_other_model_answers_in_place_of_the_one_that_is_named(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)  # the others could not even be made
    personas = {"night": {"model": "openai:gpt-4.1", "agents": ["n"]}}
    text = "model: demo\ncall: {agent_id: n}\nturns:\n- say: hello"
    outcome = played(text, shop, fallback_models=["openai:gpt-4.1"], personas=personas)

    assert (outcome.model, problems(outcome)) == ("demo", [])


def test_budgets_count_on_the_virtual_clock(shop: Path) -> None:
    outcome = played(
        """
        model: [{says: At last., after: 2.5}]
        turns:
          - say: Well?
            expect: {first_word: 2, dead_air: 2.6}
        """,
        shop,
    )

    assert problems(outcome) == [(5, "first_word", "it came after 2.50 s")]
    assert outcome.seconds == pytest.approx(0.4 * 2 + 0.4 + 0.6 + 2.5 + 2 * 0.4)


# ── the caller ───────────────────────────────────────────────────────────────────────────────────


def test_metadata_and_numbers_are_told_and_the_greeting_is_checked(shop: Path) -> None:
    text = "call: {metadata: {name: Ada}}\nturns: []\ngreeting:\n  says: {never: Ada}"
    ((line, expected, _),) = problems(played(text, shop))
    assert (line, expected) == (4, "says.never")


def test_a_barge_in_cuts_the_answer_and_a_cough_does_not(shop: Path) -> None:
    outcome = played(
        """
        model:
          - says: One two three four five six seven eight.
          - says: One two three four five six.
          - says: Yes?
        turns:
          - say: Count.
          - cough: 1
            after_words: 2
          - say: Again.
            expect: {heard: {contains: one two, never: six}}
          - barge_in: Stop.
            after_seconds: 1.2
            expect:
              history: {role: user, content: "The caller heard only: \\"One two three\\""}
        """,
        shop,
    )

    assert problems(outcome) == []
    _, counted, coughed, again, stopped = outcome.turns
    assert counted.heard == counted.said != ""
    assert coughed.did == "cough"
    assert (again.interrupted, again.heard) == (True, "One two three")
    assert stopped.said == "Yes?"


def test_a_barge_in_that_comes_too_late_is_told(shop: Path) -> None:
    outcome = played(
        """
        model: [{says: One two.}, {says: "Yes?"}]
        turns:
          - say: Count.
          - barge_in: Stop.
            after_words: 3
        """,
        shop,
    )

    told = "nothing was to be heard any more that it could be spoken over"
    assert problems(outcome) == [(5, "", told)]
    assert outcome.turns[2].said == "Yes?"


def test_a_silence_is_spoken_into_and_ends_the_call(shop: Path) -> None:
    outcome = played(
        """
        turns:
          - silence: 8
            expect: {says: {contains: Are you there}, ends: never}
          - silence: 20
            expect: {says: {contains: Goodbye then}, ends: call}
          - say: Hello?
        """,
        shop,
        silence_after=5,
    )

    assert problems(outcome) == [(7, "", "the call was over before this turn")]


def test_a_transfer_leads_to_the_number_of_the_settings(shop: Path) -> None:
    outcome = played(
        """
        model:
          - calls: {name: transfer_call, arguments: {destination: sales}}
          - says: I'll put you through.
        turns:
          - say: Sales, please.
            expect: {ends: {transfer: "+15550199"}}
        """,
        shop,
        destinations={"sales": "+15550199"},
    )

    assert problems(outcome) == []


def test_a_persona_is_dialled_by_its_name(shop: Path) -> None:
    (shop / "prompts" / "night").mkdir()
    (shop / "prompts" / "night" / "greeting.md").write_text("Good night.")
    outcome = played(
        "call: {persona: night}\ngreeting: {says: {contains: Good night}}",
        shop,
        personas={"night": {"token": ["t-night"]}},
        token=["t-day"],
    )

    assert problems(outcome) == []


# ── a real model ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def real(openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> FakeOpenAI:
    monkeypatch.setenv("OPENAI_BASE_URL", openai.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    return openai


async def test_a_real_model_is_asked_in_real_time(shop: Path, real: FakeOpenAI) -> None:
    await real.script({"say": "Of course."})
    read = scenario(f"{QUICK}model: openai:fake\nturns:\n- say: Hello\n  expect: {{tools: []}}")
    outcome = await run(read, settings(shop))

    assert (outcome.model, problems(outcome)) == ("openai:fake", [])
    assert outcome.turns[1].said == "Of course."
    assert on_its_clock(read, settings(shop)) is not on_its_clock(read, settings(shop), "demo")


async def test_an_apology_is_never_what_was_expected(shop: Path, real: FakeOpenAI) -> None:
    await real.script([{"status": 401}])
    outcome = await run(scenario(f"{QUICK}model: openai:fake\nturns:\n- say: Hi"), settings(shop))

    told = "the reply failed (refused_key), and the caller heard an apology"
    assert problems(outcome) == [(4, "", told)]
