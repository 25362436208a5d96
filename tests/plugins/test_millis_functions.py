"""Functions as Millis defines them, against a real HTTP server."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from langchain_core.tools import BaseTool

from bridge import ToolError
from bridge.agent.policy import Policy, policy_of
from bridge.call.events import CallBegan, CallData, CallEnded
from bridge.plugins.millis.aftercall import KIND, AfterCalls
from bridge.plugins.millis.tools import LATER, NOTHING, WORD_FOR_WORD, deliver
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads
from tests.plugins.test_example_tools import Spoken, runtime
from tests.toolkit.servers import Service, service

BOOK: dict[str, Any] = {
    "name": "book_table",
    "description": "Book a table.",
    "webhook": "https://example.com/book",
    "method": "POST",
    "params": [
        {"name": "day", "type": "string", "required": True, "description": "Which day."},
        {"name": "people", "type": "integer", "required": True},
        {"name": "window", "type": "boolean"},
    ],
}
CALL = CallData(
    session_id="s-1",
    agent_id="a-1",
    caller="+15550100",
    called="+15550199",
    metadata={"tenant": "acme", "key": "k\r\nX-Admin: 1", "n": 3, "deep": {"a": [1]}, "dots": ".."},
)


class Kept:
    """A spool that shows what it was given."""

    def __init__(self) -> None:
        self.puts: list[tuple[str, Any]] = []

    def put(self, kind: str, payload: Any) -> None:
        self.puts.append((kind, json.loads(json.dumps(payload))))


@pytest.fixture
async def server() -> AsyncIterator[Service]:
    async with service() as running:
        yield running


class Folder:
    """A tools folder with definitions in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spool = Kept()
        self.shelf = ToolShelf(
            path, threads=ToolThreads(), reserved=frozenset({"end_call"}), spool=self.spool
        )

    def write(self, content: object, name: str = "crm.millis.json") -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        (self.path / name).write_text(text)

    async def tool(self, **changes: Any) -> BaseTool:
        """The only tool, made of a definition that differs from `BOOK` like this."""
        self.write({k: v for k, v in {**BOOK, **changes}.items() if v is not ...})
        toolbox = await self.shelf.reload()
        assert toolbox.failures == ()
        (tool,) = toolbox.tools
        return tool

    async def failure(self, content: object) -> str:
        self.write(content)
        toolbox = await self.shelf.reload()
        (failure,) = toolbox.failures
        assert toolbox.tools == ()
        return str(failure)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


async def use(tool: BaseTool, call: CallData | Spoken = CALL, /, **arguments: object) -> str:
    spoken = call if isinstance(call, Spoken) else Spoken(call)
    return str(await tool.ainvoke({**arguments, "runtime": runtime(spoken)}))


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────


async def test_a_post_has_the_arguments_as_flat_keys(folder: Folder, server: Service) -> None:
    server.replies.append(web.json_response({"table": 4}))
    tool = await folder.tool(webhook=server.url + "/book", header={"Authorization": "Bearer s"})

    assert await use(tool, day="Friday", people="4", unknown=1) == '{"table": 4}'

    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/book")
    assert asked.json == {"day": "Friday", "people": 4, "session_id": "s-1"}
    assert asked.headers["Authorization"] == "Bearer s"
    assert asked.headers["Content-Type"] == "application/json"


async def test_a_get_has_them_in_its_query(folder: Folder, server: Service) -> None:
    tool = await folder.tool(webhook=server.url + "/book?v=2", method="get")
    assert await use(tool, day="Fri&sat", people=4, window=True) == "fine"
    assert server.asked[0].query == {
        "v": "2",
        "day": "Fri&sat",
        "people": "4",
        "window": "true",
        "session_id": "s-1",
    }


async def test_the_session_is_left_out_if_the_definition_says_so(
    folder: Folder, server: Service
) -> None:
    tool = await folder.tool(webhook=server.url, exclude_session_id=True)
    await use(tool, day="Friday", people=4)
    assert server.asked[0].json == {"day": "Friday", "people": 4}


async def test_the_model_cannot_give_another_session(folder: Folder, server: Service) -> None:
    params = [{"name": "session_id", "type": "string"}]
    tool = await folder.tool(webhook=server.url, params=params)
    await use(tool, session_id="of somebody else")
    assert server.asked[0].json == {"session_id": "s-1"}


async def test_the_metadata_goes_along_if_the_definition_says_so(
    folder: Folder, server: Service
) -> None:
    tool = await folder.tool(webhook=server.url, include_metadata=True)
    await use(tool, day="Friday", people=4)
    assert server.asked[0].json["metadata"] == CALL.metadata
    tool = await folder.tool(webhook=server.url, include_metadata=True, method="GET")
    await use(tool, CallData(metadata={"day": "Monday", "n": 3, "o": {"a": 1}}), day="x", people=4)
    query = {"day": "x", "n": "3", "o": '{"a": 1}', "people": "4", "session_id": ""}
    assert server.asked[1].query == query


async def test_variables_are_filled_in_and_can_break_out_of_nothing(
    folder: Folder, server: Service
) -> None:
    tool = await folder.tool(
        webhook=server.url + "/{tenant}/{FromPhone}/x?to={ToPhone}&none={missing}",
        header={"X-Key": "a {key} b", "X-None": "{missing}", "X-Json": '{"a": 1}', "X-N": "{n}"},
    )
    await use(tool, day="Friday", people=4)
    (asked,) = server.asked
    assert asked.path == "/acme/%2B15550100/x"
    assert asked.query == {"to": "+15550199", "none": ""}
    assert asked.headers["X-Key"] == "a k X-Admin: 1 b"
    assert "X-Admin" not in asked.headers
    assert asked.headers["X-None"] == ""
    assert asked.headers["X-Json"] == '{"a": 1}'
    assert asked.headers["X-N"] == "3"


@pytest.mark.parametrize("variable", ["dots", "missing"])
async def test_a_variable_that_would_be_another_path_is_refused(
    folder: Folder, server: Service, variable: str
) -> None:
    tool = await folder.tool(webhook=f"{server.url}/a/{{{variable}}}/b")
    with pytest.raises(ToolError):
        await use(tool, day="Friday", people=4)
    assert server.asked == []


async def test_metadata_does_not_hide_the_callers_number(folder: Folder, server: Service) -> None:
    tool = await folder.tool(webhook=server.url + "/{FromPhone}")
    hostile = CallData(caller="+1", metadata={"FromPhone": "+2"})
    await use(tool, hostile, day="Friday", people=4)
    assert server.asked[0].path == "/%2B1"


async def test_a_parameter_is_a_variable_only_where_its_description_says_so(
    folder: Folder, server: Service
) -> None:
    params = [
        {"name": "phone", "description": "Always {FromPhone}."},
        {"name": "remark", "description": "What the caller says."},
    ]
    tool = await folder.tool(webhook=server.url, params=params)
    await use(tool, phone="{FromPhone}", remark="{tenant}")
    assert server.asked[0].json["phone"] == "+15550100"
    assert server.asked[0].json["remark"] == "{tenant}"


async def test_a_host_of_the_file_may_be_private_and_one_of_the_metadata_may_not(
    folder: Folder, server: Service
) -> None:
    tool = await folder.tool(webhook=f"http://{{host}}:{server.port}/")
    for host in ("127.0.0.1", "localhost", "[::1]", "a@127.0.0.1", "127.0.0.1/x#"):
        with pytest.raises(ToolError) as refused:
            await use(tool, CallData(metadata={"host": host}), day="Friday", people=4)
        assert "127" not in str(refused.value)
    assert server.asked == []


async def test_a_private_host_leads_to_no_other(folder: Folder, server: Service) -> None:
    async with service(host="127.0.0.2") as other:
        away = f"http://127.0.0.2:{other.port}/"
        server.replies.append(web.Response(status=307, headers={"Location": away}))
        tool = await folder.tool(webhook=server.url)
        with pytest.raises(ToolError) as refused:
            await use(tool, day="Friday", people=4)
        assert getattr(refused.value, "maybe_done", False)
        assert other.asked == []


# ── what comes of it ─────────────────────────────────────────────────────────────────────────────


async def test_a_strict_answer_is_to_be_said_word_for_word(folder: Folder, server: Service) -> None:
    tool = await folder.tool(webhook=server.url, response_mode="strict")
    assert await use(tool, day="Friday", people=4) == WORD_FOR_WORD + "fine"


async def test_an_empty_answer_is_told_as_one(folder: Folder, server: Service) -> None:
    server.replies.append(web.Response(status=204))
    tool = await folder.tool(webhook=server.url, response_mode="strict")
    assert await use(tool, day="Friday", people=4) == NOTHING


async def test_a_request_is_made_once_whatever_its_method(folder: Folder, server: Service) -> None:
    server.replies.append(web.Response(status=503))
    for method in ("GET", "POST", "PUT", "DELETE"):
        tool = await folder.tool(webhook=server.url, method=method)
        with pytest.raises(ToolError):
            await use(tool, day="Friday", people=4)
    assert [asked.method for asked in server.asked] == ["GET", "POST", "PUT", "DELETE"]


@pytest.mark.parametrize("timeout", [0.2, None])
async def test_the_time_out_is_that_of_the_definition(
    folder: Folder, server: Service, timeout: float | None
) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.5)
        return web.Response(text="late")

    server.replies.append(slow)
    tool = await folder.tool(webhook=server.url, timeout=timeout)
    if timeout is None:
        assert await use(tool, day="Friday", people=4) == "late"
    else:
        with pytest.raises(ToolError):
            await use(tool, day="Friday", people=4)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"day": "Friday"}, "'people' is missing"),
        ({"day": None, "people": 4}, "'day' is missing"),
        ({"day": "Friday", "people": "many"}, "'people' is no integer"),
        ({"day": ["Friday"], "people": 4}, "'day' is no string"),
        ({"day": "Friday", "people": 4, "window": "perhaps"}, "'window' is no boolean"),
        ({"day": "Friday", "people": float("nan")}, "'people' is no integer"),
    ],
)
async def test_arguments_that_do_not_fit_are_not_sent(
    folder: Folder, server: Service, given: dict[str, object], reason: str
) -> None:
    tool = await folder.tool(webhook=server.url)
    with pytest.raises(ToolError, match=reason):
        await use(tool, **given)
    assert server.asked == []


async def test_a_message_is_said_before_if_the_definition_says_so(
    folder: Folder, server: Service
) -> None:
    tool = await folder.tool(
        webhook=server.url, messages=["One moment."], execute_after_message=True
    )
    spoken = Spoken(CALL)
    await use(tool, spoken, day="Friday", people=4)
    assert spoken.words == ["One moment."]
    assert policy_of(tool).filler == ""


# ── how it is treated ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_side_effects_are_assumed_of_every_method(folder: Folder, method: str) -> None:
    tool = await folder.tool(method=method, messages=["Let me see.", "One moment."], timeout=4)
    assert policy_of(tool) == Policy(timeout=5.0, filler="Let me see.\nOne moment.")


async def test_a_long_time_out_is_one_in_milliseconds(folder: Folder) -> None:
    assert policy_of(await folder.tool(timeout=5000)).timeout == 6.0


async def test_the_model_reads_names_types_and_descriptions(folder: Folder) -> None:
    tool = await folder.tool(
        params=[
            {"name": "day", "type": "String", "required": True, "description": "Which day."},
            {"name": "n", "type": "int"},
            {"name": "list", "type": "array", "description": None},
        ]
    )
    assert tool.description == "Book a table."
    assert tool.args_schema == {
        "type": "object",
        "properties": {
            "day": {"type": "string", "description": "Which day."},
            "n": {"type": "integer"},
            "list": {"type": "array", "items": {}},
        },
        "required": ["day"],
    }


# ── files ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_file_holds_one_function_a_list_or_an_agent(folder: Folder) -> None:
    other = {**BOOK, "name": "cancel_table"}
    for content in ([BOOK, other], {"prompt": "…", "tools": [BOOK, other]}):
        folder.write(content)
        toolbox = await folder.shelf.reload()
        assert [tool.name for tool in toolbox.tools] == ["book_table", "cancel_table"]
        assert {str(file.name) for file in toolbox.files.values()} == {"crm.millis.json"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "crm.millis.json:1: no JSON"),
        ('{\n"name": }', "crm.millis.json:2: no JSON"),
        ([], "it holds 0 functions"),
        (7, "function: "),
        ({**BOOK, "webhook": ...}, "'book_table': webhook: Field required"),
        ({**BOOK, "name": ...}, "function: name: Field required"),
        ({**BOOK, "name": "book table"}, "function 'book table': name: "),
        ({**BOOK, "description": ""}, "description: "),
        ({**BOOK, "webhook": "http://[a]@/"}, "webhook: no URL"),
        ({**BOOK, "webhook": "ftp://example.com"}, "webhook: give a URL that begins with https://"),
        ({**BOOK, "webhook": "{scheme}://example.com"}, "webhook: "),
        ({**BOOK, "webhook": "/book"}, "webhook: "),
        ({**BOOK, "method": "FETCH"}, "method: "),
        ({**BOOK, "timeout": -1}, "timeout: "),
        ({**BOOK, "timeout": "soon"}, "timeout: "),
        ({**BOOK, "header": ["a"]}, "header: "),
        ({**BOOK, "header": {"a": {}}}, "header.a: "),
        ({**BOOK, "messages": "One moment."}, "messages: "),
        ({**BOOK, "response_mode": "loose"}, "response_mode: "),
        ({**BOOK, "run_after_cal": True}, "did you mean 'run_after_call'?"),
        ({**BOOK, "params": [{"name": "a", "type": "date"}]}, "params.0.type: "),
        ({**BOOK, "params": [{"type": "string"}]}, "params.0.name: Field required"),
        ({**BOOK, "params": [{"name": "runtime"}]}, "params.0.name: the name 'runtime' is taken"),
        ({**BOOK, "params": [{"name": "a"}, {"name": "a"}]}, "params: two are called 'a'"),
        ({**BOOK, "name": "end_call"}, "belongs to a tool of the bridge"),
        ([BOOK, {**BOOK, "name": "b", "method": "X"}], "function 2 'b': method: "),
        ([BOOK, BOOK], "two tools are called 'book_table'"),
    ],
)
async def test_what_is_wrong_is_named_by_file_and_field(
    folder: Folder, content: object, reason: str
) -> None:
    if isinstance(content, dict):
        content = {key: value for key, value in content.items() if value is not ...}
    failure = await folder.failure(content)
    assert "crm.millis.json" in failure
    assert reason in failure


async def test_a_broken_edit_keeps_the_last_good_version(folder: Folder) -> None:
    tool = await folder.tool()
    folder.write({**BOOK, "method": "X"})
    toolbox = await folder.shelf.reload()
    assert toolbox.tools == (tool,)
    assert toolbox.failures[0].kept
    changed = await folder.tool(description="Book a better table.")
    assert changed.description == "Book a better table."


async def test_a_name_that_a_python_file_has_is_refused(folder: Folder) -> None:
    code = '@tool\ndef book_table() -> str:\n    """Book."""\n    return "booked"\n'
    (folder.path / "a.py").write_text(f"from langchain_core.tools import tool\n{code}")
    folder.write(BOOK)
    toolbox = await folder.shelf.reload()
    assert toolbox.files["book_table"].name == "a.py"
    assert "'book_table' is already in" in str(toolbox.failures[0])


async def test_private_files_and_other_json_are_left_alone(folder: Folder) -> None:
    folder.write(BOOK, "_draft.millis.json")
    folder.write("{", "package.json")
    toolbox = await folder.shelf.reload()
    assert (toolbox.tools, toolbox.failures) == ((), ())


# ── after the call ───────────────────────────────────────────────────────────────────────────────


async def test_what_runs_after_the_call_is_noted_without_secrets(
    folder: Folder, server: Service
) -> None:
    tool = await folder.tool(
        webhook=server.url, header={"Authorization": "Bearer s"}, run_after_call=True
    )
    assert await use(tool, day="Friday", people=4) == LATER
    assert server.asked == []
    ((kind, payload),) = folder.spool.puts
    assert kind == KIND
    assert payload["arguments"] == {"day": "Friday", "people": 4}
    assert "Bearer" not in json.dumps(payload)

    await deliver(payload, {tool.name: tool})

    assert server.asked[0].json == {"day": "Friday", "people": 4, "session_id": "s-1"}
    assert server.asked[0].headers["Authorization"] == "Bearer s"


async def test_what_does_not_fit_is_refused_in_the_call_not_after_it(folder: Folder) -> None:
    tool = await folder.tool(run_after_call=True)
    with pytest.raises(ToolError):
        await use(tool, day="Friday")
    assert folder.spool.puts == []


async def test_a_function_that_is_gone_is_an_error(folder: Folder) -> None:
    payload = {"tool": "gone", "arguments": {}, "call": {}}
    with pytest.raises(ToolError, match="no such function"):
        await deliver(payload, {})


async def test_the_spool_in_memory_waits_for_the_end_of_the_call() -> None:
    done: list[str] = []

    async def note(payload: Any) -> None:
        done.append(payload["arguments"])
        if payload["arguments"] == "bad":
            raise ToolError("no", maybe_done=True)

    after = AfterCalls(note)
    for session, what in (("s", "bad"), ("s", "good"), ("t", "other")):
        after.put(KIND, {"tool": "x", "arguments": what, "call": {"session_id": session}})
    call = CallData(session_id="s")
    after(call, CallBegan())
    after(call, CallEnded("replaced"))
    await asyncio.sleep(0.01)
    assert done == []
    after(call, CallEnded("hung_up"))
    after(call, CallEnded("hung_up"))
    await asyncio.sleep(0.01)
    assert done == ["bad", "good"]
    await after.__aexit__()
    assert done == ["bad", "good", "other"]
