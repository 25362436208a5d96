import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge import doctor
from bridge.checkup import check_settings, check_token
from bridge.settings import Settings
from tests.cli.commands import CLOCK, bridge
from tests.fake_openai.client import FakeOpenAI
from tests.local.scripted_bridge import ScriptedBridge

CANARY_KEY = "sk-canary-77aa41c0"
CANARY_TOKEN = "canary-token-5d02e9b1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "clock.py").write_text(CLOCK)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text("Hello {{ metadata.name | default('') }}!")
    return tmp_path


@pytest.fixture
def busy_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


async def test_a_healthy_bridge_has_no_problems(folder: Path, openai: FakeOpenAI) -> None:
    await openai.script([{"tokens": ["one", " two", " three"]}, {"finish": "stop"}, {"done": True}])
    ran = await bridge(
        "doctor",
        cwd=folder,
        OPENAI_API_KEY=CANARY_KEY,
        OPENAI_BASE_URL=openai.base_url,
        BRIDGE_MODEL="openai:good",
        BRIDGE_TOKEN=CANARY_TOKEN,
        BRIDGE_PORT="0",
    )

    assert ran.code == 0, ran.out
    assert "problem" not in ran.out
    assert "ok model openai:good: first token after" in ran.words
    assert (
        "ok prompts all render: apology, fillers, goodbye, greeting, reprompt, silence, system"
        in ran.words
    )
    assert "ok tools current_time" in ran.words
    assert CANARY_KEY not in ran.out + ran.err
    assert CANARY_TOKEN not in ran.out + ran.err
    asked = await openai.requests()
    assert asked[0]["headers"]["authorization"] == f"Bearer {CANARY_KEY}"


async def test_every_problem_is_named_with_its_remedy(folder: Path, busy_port: str) -> None:
    prompts = folder / "prompts"
    (prompts / "greeting.md").write_text("{{ metadata.name }} {{ customer }}")
    (prompts / "apology.md").write_text("{{ 1 / 0 }}")
    (prompts / "system.md").write_text("\n{% if %}")
    (prompts / "lexicon.toml").write_text("words = 1")
    (folder / "tools" / "bad.py").write_text(
        f'print("{CANARY_TOKEN}")\nraise ValueError("{CANARY_TOKEN}")\n'
    )
    (folder / "bridge.toml").write_text("[tools.current_tme]\ntimeout = 3\n")
    ran = await bridge(
        "doctor",
        cwd=folder,
        BRIDGE_TOKEN=CANARY_TOKEN,
        BRIDGE_PORT=busy_port,
        BRIDGE_TOOL_TIMEUOT="3",
        BRIDGE_MODEL="nobody:knows",
    )

    assert ran.code == 1
    for part in (
        "warning settings BRIDGE_TOOL_TIMEUOT (did you mean BRIDGE_TOOL_TIMEOUT?)",
        "problem model model nobody:knows:",
        "problem prompts prompts/system.md:2: TemplateSyntaxError",
        "problem prompts prompts/apology.md cannot be rendered: ZeroDivisionError",
        "warning prompts prompts/greeting.md: there is no 'customer'",
        "warning prompts prompts/greeting.md: the sample call has no 'name'",
        "lexicon.toml: words",
        "problem tools tools/bad.py:2: ValueError: •••",
        "[tools.current_tme] names no tool that is loaded (did you mean current_time?)",
        f"problem port cannot listen on 127.0.0.1:{busy_port}",
        "set BRIDGE_HOST and BRIDGE_PORT",
    ):
        assert part in ran.words
    assert CANARY_TOKEN not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "\x1b" not in ran.out


async def test_settings_that_cannot_be_read_are_a_finding(tmp_path: Path) -> None:
    ran = await bridge("doctor", "--json", cwd=tmp_path, BRIDGE_PORT="many")
    report = json.loads(ran.out)

    assert ran.code == 1
    assert report["fit"] is False
    assert report["findings"][0]["level"] == "problem"
    assert report["findings"][0]["message"].startswith("BRIDGE_PORT:")


async def test_an_empty_folder_only_gets_warnings_and_a_running_bridge_is_seen(
    tmp_path: Path,
) -> None:
    async with ScriptedBridge({}) as server:
        ran = await bridge("doctor", "--json", cwd=tmp_path, BRIDGE_PORT=str(server.port))
    report = json.loads(ran.out)

    assert ran.code == 0
    assert report["fit"] is True
    levels = {finding["check"]: finding["level"] for finding in report["findings"]}
    assert levels == {
        "settings": "ok",
        "model": "warning",
        "prompts": "warning",
        "tools": "warning",
        "record": "ok",
        "token": "warning",
        "port": "ok",
    }
    assert "already serves" in report["findings"][-1]["message"]


# ── one model ────────────────────────────────────────────────────────────────────────────────────

WHOLE = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize(
    ("script", "level", "message", "remedy"),
    [
        ([{"status": 401, "body": {"error": CANARY_KEY}}], "problem", "refused", "OPENAI_API_KEY"),
        ([{"status": 404, "body": {}}], "problem", "no such model", "BRIDGE_MODEL"),
        ([{"status": 429, "body": {}}], "problem", "too many", "limits"),
        ([{"status": 500, "body": {}}], "problem", "server has an error", "later"),
        ([{"status": 400, "body": {}}], "problem", "refuses the request", "BRIDGE_TEMPERATURE"),
        ([{"text": WHOLE}, {"finish": "stop"}], "warning", "does not stream", "streaming"),
        ([{"finish": "stop"}, {"done": True}], "problem", "without a word", "another"),
        ([{"stall": True}], "problem", "no word within", "faster"),
        ([{"text": "one"}, {"stall": True}], "problem", "not finished", "faster"),
        ([{"text": "one"}, {"cut": True}], "problem", "no connection", "OPENAI_BASE_URL"),
    ],
)
async def test_a_model_that_fails_is_told_apart(
    openai: FakeOpenAI,
    monkeypatch: pytest.MonkeyPatch,
    script: list[dict[str, Any]],
    level: str,
    message: str,
    remedy: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", openai.base_url)
    monkeypatch.setattr(doctor, "MODEL_TIMEOUT", 0.5)
    await openai.script(script)
    [finding] = await doctor.check_models(Settings(model="openai:fake"))

    assert finding.level == level
    assert message in finding.message
    assert remedy in finding.remedy
    assert CANARY_KEY not in f"{finding}"


async def test_a_slow_first_token_is_a_warning(
    openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", openai.base_url)
    await openai.script({"say": "one two three", "gap_ms": 20})
    [finding] = await doctor.check_models(Settings(model="openai:fake", first_word_timeout=0.0001))

    assert finding.level == "warning"
    assert "over first_word_timeout" in finding.message


async def test_the_host_is_named_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://user:{CANARY_TOKEN}@127.0.0.1:9/v1")
    [finding] = await doctor.check_models(Settings(model="openai:fake"))

    assert "no connection" in finding.message
    assert "host 127.0.0.1:9" in finding.remedy
    assert CANARY_TOKEN not in f"{finding}"


async def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    found = await doctor.check_models(Settings(model="openai:a", fallback_models=("demo",)))

    assert [finding.level for finding in found] == ["problem", "warning"]
    assert "OPENAI_API_KEY" in found[0].remedy


@pytest.mark.parametrize("door", ["token", "api_token", "console_token"])
def test_a_token_that_can_be_guessed_is_a_warning_on_loopback_too(door: str) -> None:
    found = check_token(Settings.model_validate({"token": CANARY_TOKEN, door: "short-canary"}))
    assert found.level == "warning"
    assert f"BRIDGE_{door.upper()}" in found.message
    assert "canary" not in str(found)


def test_secrets_in_a_file_that_others_can_read_are_a_warning(  # G23
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("bridge.toml")
    file.write_text(f'token = ["{CANARY_TOKEN}"]')
    for mode, told in ((0o644, True), (0o640, True), (0o600, False)):
        file.chmod(mode)
        findings = check_settings(Settings())
        assert any(one.remedy == "chmod 600 bridge.toml" for one in findings) is told
        assert CANARY_TOKEN not in str(findings)
    file.write_text("port = 8081")
    file.chmod(0o644)
    assert len(check_settings(Settings())) == 1
