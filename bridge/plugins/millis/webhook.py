"""The request that a Millis function makes."""

import json
import re
from collections.abc import Mapping
from typing import Any

from bridge.call.events import CallData
from bridge.plugins.millis.definition import Definition
from bridge.plugins.values import metadata_json
from bridge.toolkit import HttpClient

PATIENCE = 9.0
"""Seconds, if the definition says nothing: less than the bridge's own limit for a tool."""

_VARIABLE = re.compile(r"\{([A-Za-z_][\w.-]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "accept-encoding"})
"""Headers that belong to the way a request is sent."""
_LONGEST_IN_QUERY = 500
"""Characters of a value of the metadata."""


class Webhook:
    """Calls the webhook of one function as Millis would: once, with the arguments as flat keys.

    A host that stands in the file was chosen by whoever runs the bridge, and may be private. One
    that the call fills in may not.
    """

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        host = definition.fixed_host
        self._http = HttpClient(
            timeout=definition.seconds or PATIENCE, tries=1, allow=(host,) if host else ()
        )

    async def call(self, arguments: Mapping[str, Any], call: CallData) -> str:
        """Make the request; what was answered, as text.

        Raises:
            ToolError: there was no good answer.
        """
        definition = self._definition
        variables = _variables(call)
        values = self._arguments(arguments, variables)
        if not definition.exclude_session_id:
            values["session_id"] = call.session_id
        as_query = definition.method == "GET"
        if definition.include_metadata:
            values = {**_metadata(call, flat=as_query), **values}
        answer = await self._http.request(
            definition.method,
            definition.webhook,
            path=variables,
            params={name: _text(value) for name, value in values.items()} if as_query else {},
            json=None if as_query else values,
            headers={
                name: _CONTROL.sub(" ", _filled(value, variables)).strip()
                for name, value in definition.header.items()
                if name.lower() not in _OURS
            },
        )
        return answer.text

    def _arguments(
        self, arguments: Mapping[str, Any], variables: Mapping[str, str]
    ) -> dict[str, Any]:
        """Put a variable in where a parameter's description has told the model to give it.

        Only there: what the model gives may come from anybody.
        """
        told = {
            param.name: {found[0] for found in _VARIABLE.finditer(param.description)}
            for param in self._definition.params
        }
        return {
            name: _filled(value, variables)
            if isinstance(value, str) and value.strip() in told.get(name, ())
            else value
            for name, value in arguments.items()
        }


def _variables(call: CallData) -> dict[str, str]:
    """What `{name}` stands for; the metadata cannot hide the numbers."""
    plain = (str, int, float)
    metadata = {k: _text(v) for k, v in call.metadata.items() if isinstance(v, plain)}
    return {**metadata, "FromPhone": call.caller or "", "ToPhone": call.called or ""}


def _filled(template: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables.get(found[1], ""), template)


def _metadata(call: CallData, *, flat: bool) -> dict[str, Any]:
    """The metadata as Millis sends it: keys of their own in a query, an object in a body."""
    data = json.loads(metadata_json(call) or "{}")
    if not flat:
        return {"metadata": data}
    return {str(name): _text(value)[:_LONGEST_IN_QUERY] for name, value in data.items()}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
