"""Ids and names in a URL are only ever looked up, never made a path of: G9."""

from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.wire import bridge_running

ROUTES = [
    "/millis/{}",
    "/millis/{}/x",
    "/watch/{}",
    "/api/calls/{}",
    "/console/{}",
    "/console/assets/{}",
    "/console/api/{}",
    "/console/record/calls/{}",
    "/console/watch/{}",
    "/local/{}",
    "/{}",
]
NAMES = [
    "../secret.txt",
    "..%2fsecret.txt",
    "%2e%2e%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "....//secret.txt",
    "..%5csecret.txt",
    "..;/secret.txt",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "%2fproc%2fself%2fenviron",
    "file:///etc/passwd",
    "secret.txt%00",
    "%00",
    "%ff%fe",
    "CON",
    "a" * 4000,
]


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the bridge works in, with secrets where a path might lead."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tools").mkdir()
    for folder in (tmp_path, tmp_path / "tools"):
        (folder / "secret.txt").write_text("canary")
    return tmp_path


async def test_no_id_or_name_leads_to_a_file(house: Path) -> None:
    before = files(house)
    record = {"record": "text", "database_url": "sqlite+aiosqlite:///calls.db"}
    async with bridge_running(house, model="demo", **record) as bridge:
        made = files(house)
        async with aiohttp.ClientSession() as http:
            for route in ROUTES:
                for name in NAMES:
                    path = f"http://127.0.0.1:{bridge.port}{route.format(name)}"
                    async with http.get(URL(path, encoded=True)) as answer:
                        body = await answer.text(errors="replace")
                        assert answer.status in (400, 401, 403, 404, 503), path
                        assert "canary" not in body, path
                        assert "root:" not in body, path
        assert files(house) == made
    assert len(made) > len(before)
