"""The guide to the record is held against the code."""

import hashlib
import hmac
import re
import shlex
import time
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from bridge.cli import app
from bridge.store.database.tables import metadata

GUIDE = (Path(__file__).parents[1] / "docs" / "record.md").read_text()


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_the_picture_shows_every_table_and_column() -> None:
    picture = GUIDE.partition("## What is kept")[2].partition("```")[2].partition("```")[0]
    words = set(re.findall(r"\w+", picture))
    for table in metadata.tables.values():
        assert table.name in words
        shown = {column.name for column in table.columns} - {"seq", "tally_seq"}
        assert shown <= words, table.name


def test_the_receiver_of_the_guide_believes_only_what_is_signed_and_fresh() -> None:
    (code,) = snippets("python")
    guide: dict[str, Any] = {}
    exec(code, guide)  # noqa: S102 - ours
    now = int(time.time())

    def letter(sent: int, secret: str) -> dict[str, str]:
        signature = hmac.new(secret.encode(), f"1.{sent}.".encode() + b"{}", hashlib.sha256)
        return {
            "Bridge-Webhook-Id": "1",
            "Bridge-Webhook-Timestamp": str(sent),
            "Bridge-Webhook-Signature": f"v1={signature.hexdigest()}",
        }

    assert guide["is_genuine"](letter(now, "s"), b"{}", "s")
    assert not guide["is_genuine"](letter(now, "other"), b"{}", "s")
    assert not guide["is_genuine"](letter(now, "s"), b"{ }", "s")
    assert not guide["is_genuine"](letter(now - 3600, "s"), b"{}", "s")


def test_every_command_and_option_of_the_guide_exists() -> None:
    lines = [line.partition("#")[0] for line in "\n".join(snippets("sh")).splitlines()]
    commands = [shlex.split(line) for line in lines if line.startswith("bridge ")]
    assert commands
    for command in commands:
        named = [word for word in command[1:] if word.islower() and not word.startswith("-")]
        path = [word for word in named if word in {"calls", "show", "export", "erase", "replay"}]
        helped = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
        assert helped.exit_code == 0
        for option in (word for word in command if word.startswith("--")):
            assert option in helped.output
