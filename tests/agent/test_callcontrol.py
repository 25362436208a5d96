"""The bridge's own tools, and the destinations that they may choose from."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.agent.callcontrol import call_control
from bridge.agent.policy import policy_of
from bridge.errors import SettingsError
from bridge.settings.reading import load_settings


def tools(**settings: Any) -> dict[str, Any]:
    return {
        tool.name: tool
        for tool in call_control(**{"end_call": True, "destinations": {}, **settings})
    }


def test_the_settings_say_which_tools_the_model_has() -> None:
    assert set(tools()) == {"end_call"}
    assert set(tools(end_call=False)) == set()
    assert set(tools(destinations={"sales": "+1"})) == {"end_call", "transfer_call"}
    assert set(tools(end_call=False, destinations={"sales": "+1"})) == {"transfer_call"}


def test_the_model_sees_names_and_never_a_number() -> None:
    schema = tools(destinations={"sales": "+15550100", "the workshop": "sip:w@x.example"})[
        "transfer_call"
    ].tool_call_schema.model_json_schema()
    assert schema["properties"]["destination"]["enum"] == ["sales", "the workshop"]
    assert set(schema["properties"]) == {"destination"}
    assert "+1555" not in str(schema)
    assert "sip:" not in str(schema)


def test_a_single_destination_is_a_choice_of_one() -> None:
    schema = tools(destinations={"sales": "+15550100"})["transfer_call"].tool_call_schema
    assert schema.model_validate({"destination": "sales"})
    with pytest.raises(ValidationError):
        schema.model_validate({"destination": "+19005550100"})


def test_ending_the_call_needs_nothing_from_the_model() -> None:
    assert tools()["end_call"].tool_call_schema.model_json_schema()["properties"] == {}


def test_they_change_something_but_may_be_asked_for_again() -> None:
    for tool in tools(destinations={"sales": "+1"}).values():
        policy = policy_of(tool)
        assert not policy.read_only, "they must wait until the turn is certain"
        assert not policy.guarded


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("sales", "+15550100"),
        ("Büro München", "+4989123456"),
        ("front-desk_2", "sip:desk@pbx.example:5060"),
        ("secure", "sips:desk@pbx.example"),
    ],
)
def test_a_good_destination_is_accepted(folder: Path, name: str, number: str) -> None:
    (folder / "bridge.toml").write_text(f'[destinations]\n"{name}" = "{number}"\n')
    assert load_settings().destinations == {name: number}


@pytest.mark.parametrize("name", ["", " ", " sales", "sales ", "a" * 65, "a\\tb", "a\\nb", 'x\\"y'])
def test_a_name_the_model_could_not_use_is_named_with_the_remedy(folder: Path, name: str) -> None:
    (folder / "bridge.toml").write_text(f'[destinations]\n"{name}" = "+15550100"\n')
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert str(error.value).startswith("bridge.toml: destinations: ")
    assert "use 1 to 64 letters, digits, spaces, - or _" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "5550100",
        "+1 555 0100",
        "+",
        "+12",
        "+1234567890123456",
        "sip:",
        "sip:a b@c",
        "tel:+15550100",
        "sales",
        "+1555\\n0100",
    ],
)
def test_what_cannot_be_dialled_is_named_with_the_remedy(folder: Path, number: str) -> None:
    (folder / "bridge.toml").write_text(f'[destinations]\nsales = "{number}"\n')
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert str(error.value) == (
        "bridge.toml: destinations: 'sales' is no number to transfer to: "
        "write + and digits, or sip:somebody@somewhere"
    )


def test_destinations_may_come_from_a_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_DESTINATIONS", '{"sales": "+15550100"}')
    assert load_settings().destinations == {"sales": "+15550100"}
