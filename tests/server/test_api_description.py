"""The API's description is valid, and what the API does is what it says."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from bridge.server.openapi import description
from bridge.store.database.database import Database
from bridge.store.reading.archive import Archive
from tests.server.reading import Reader, serving
from tests.store.scenes import a_call, a_head, a_tool, seed


@pytest.fixture
async def reader(sqlite_url: str) -> AsyncIterator[Reader]:
    """Reads a record of one call of every sort."""
    database = Database(sqlite_url)
    await seed(
        database,
        a_call("ended", tools=2),
        a_call("live", ended=False, turns=0),
        [a_tool(a_head("begun"))],
        a_call("poor", level="metadata", said={"caller": None, "metadata": None}),
    )
    async with serving(Archive(database)) as reader:
        yield reader
    await database.close()


def operations(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert all(list(methods) == ["get"] for methods in spec["paths"].values())
    return {path: methods["get"] for path, methods in spec["paths"].items()}


@pytest.mark.parametrize("needs_token", [True, False])
def test_the_description_is_valid(*, needs_token: bool) -> None:
    spec = description(needs_token=needs_token)
    OpenAPIV31SpecValidator(spec).validate()
    assert spec["openapi"].startswith("3.1")
    assert spec["security"] == ([{"token": []}] if needs_token else [{}])


async def test_the_description_is_served(reader: Reader) -> None:
    answer = await reader.get("/api/openapi.json")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == description(needs_token=False)
    assert list(answer.json["paths"]) == ["/api/calls", "/api/calls/{name}", "/api/openapi.json"]


def test_everything_in_it_is_explained() -> None:
    for operation in operations(description(needs_token=True)).values():
        assert operation["summary"]
        for parameter in operation["parameters"]:
            assert parameter["description"], parameter["name"]


async def test_every_parameter_of_the_description_is_taken_and_bounded_as_it_says(
    reader: Reader,
) -> None:
    right = {"boolean": "true", "date-time": "2026-01-01T00:00:00Z", "string": "x"}
    for path, operation in operations(description(needs_token=False)).items():
        where = path.format(name="ended")
        asked = [it for it in operation["parameters"] if it["in"] == "query"]
        for parameter in asked:
            name, schema = parameter["name"], parameter["schema"]
            value = right.get(schema.get("format", schema["type"]), str(schema.get("maximum")))
            answer = await reader.get(f"{where}?{name}={value}")
            assert answer.status == 200 or answer.json["parameter"] == "after"
            for wrong in ("minimum", "maximum"):
                if wrong in schema:
                    beyond = schema[wrong] + (1 if wrong == "maximum" else -1)
                    answer = await reader.get(f"{where}?{name}={beyond}")
                    assert (answer.status, answer.json["parameter"]) == (400, name)
        assert (await reader.get(f"{where}?unknown=1")).status == 400
        assert ("limit" in {it["name"] for it in asked}) == (path == "/api/calls")


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/api/calls", "/api/calls"),
        ("/api/calls", "/api/calls?limit=1"),
        ("/api/calls", "/api/calls?limit=0"),
        ("/api/calls/{name}", "/api/calls/ended"),
        ("/api/calls/{name}", "/api/calls/ended?frames=true"),
        ("/api/calls/{name}", "/api/calls/live"),
        ("/api/calls/{name}", "/api/calls/begun"),
        ("/api/calls/{name}", "/api/calls/poor"),
        ("/api/calls/{name}", "/api/calls/nobody"),
        ("/api/openapi.json", "/api/openapi.json"),
    ],
)
async def test_every_answer_is_as_it_is_described(reader: Reader, path: str, asked: str) -> None:
    spec = description(needs_token=False)
    answer = await reader.get(asked)
    described = operations(spec)[path]["responses"][str(answer.status)]["content"]
    schema = described[answer.headers["Content-Type"].partition(";")[0]]["schema"]
    whole = schema | {"components": spec["components"]}
    OAS31Validator(whole, format_checker=oas31_format_checker).validate(answer.json)


async def test_what_is_described_is_closed_and_complete(reader: Reader) -> None:
    """A field that the API sends and nobody has described would go unnoticed otherwise."""
    schemas = description(needs_token=False)["components"]["schemas"]
    (call,) = (await reader.get("/api/calls/ended?frames=true")).json["calls"]
    assert set(call) == set(schemas["CallDetail"]["properties"])
    assert set(call["timeline"][0]) == set(schemas["Turn"]["properties"])
    assert set(call["timeline"][0]["tool_runs"][0]) == set(schemas["ToolRun"]["properties"])
    (begun,) = (await reader.get("/api/calls/begun")).json["calls"]
    assert set(begun["tool_runs"][0]) == set(schemas["ToolRun"]["properties"])
    page = (await reader.get("/api/calls")).json
    assert set(page) == set(schemas["CallPage"]["properties"])
    assert set(page["calls"][0]) == set(schemas["CallSummary"]["properties"])
