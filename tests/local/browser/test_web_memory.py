"""A page that goes on from an earlier call: with a record, so in real time."""

from pathlib import Path
from typing import Any

from tests.local.browser.calling import web_dialled
from tests.wire import bridge_running, health_when


async def test_a_page_may_go_on_from_an_earlier_call(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "greeting.md").write_text("Hi.")
    record: dict[str, Any] = {
        "record": "full",
        "database_url": f"sqlite:///{tmp_path / 'calls.db'}",
        "spool_dir": tmp_path / "spool",
    }
    async with bridge_running(tmp_path, model="demo", **record) as bridge:
        async with web_dialled(bridge) as web:
            first = await web.initiate()
            await web.say("my name is Ada")
            await web.until("onresponsetext", is_final=True, stream_id=2)
        assert bridge.recorder is not None
        await health_when(bridge, lambda body: body["calls"] == 0)
        await bridge.recorder.written()
        async with web_dialled(bridge) as web:
            await web.initiate(session_continuation={"session_id": first})
            await web.say("hello again")
            await web.until("onresponsetext", is_final=True, stream_id=2)

        body = await health_when(bridge, lambda body: body["continuation"]["found"])
        assert body["continuation"]["found"] == 1
