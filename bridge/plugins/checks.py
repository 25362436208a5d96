"""What a module must offer before anything of it is taken."""

import inspect
import json
import re
import typing
from collections.abc import Callable
from types import ModuleType

from langchain_core.tools import BaseTool, StructuredTool, Tool
from langchain_core.utils.function_calling import convert_to_openai_tool

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What OpenAI accepts as the name of a function."""


class ToolRefused(Exception):
    """A module, or a tool in it, is not fit for use. The message says why, to its author."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


def tools_of(module: ModuleType) -> list[BaseTool]:
    """Find every tool bound to a public name of the module, each once, all of them checked.

    Raises:
        ToolRefused: there is none, or one of them is not fit for use.
    """
    bound = (value for name, value in vars(module).items() if not name.startswith("_"))
    tools = list({id(value): value for value in bound if isinstance(value, BaseTool)}.values())
    if not tools:
        raise ToolRefused("no tool found (decorate a function with @tool)")
    return checked(tools, lambda tool: _line_of(tool, module))


def checked(tools: list[BaseTool], line_of: Callable[[BaseTool], int | None]) -> list[BaseTool]:
    """Return the tools of one file, if all of them are fit for use.

    Raises:
        ToolRefused: one of them is not.
    """
    names = [tool.name for tool in tools]
    for tool in tools:
        if reason := _unfit(tool):
            raise ToolRefused(f"tool {tool.name!r}: {reason}", line_of(tool))
        if names.count(tool.name) > 1:
            raise ToolRefused(f"two tools are called {tool.name!r}", line_of(tool))
    return tools


def home_of(tool: BaseTool) -> str:
    """Name the module that defines the tool, as far as can be told."""
    return str(getattr(_code_of(tool), "__module__", None) or type(tool).__module__)


def _unfit(tool: BaseTool) -> str | None:
    if not _NAME.fullmatch(tool.name):
        return "a name has 1 to 64 letters, digits, _ or -"
    if not tool.description.strip():
        return "it has no description (write a docstring, for the model to read)"
    if isinstance(tool, StructuredTool | Tool) and not (tool.func or tool.coroutine):
        return "it has no function to run"
    try:
        json.dumps(convert_to_openai_tool(tool), allow_nan=False)
        tool.get_input_schema()
        if function := getattr(tool, "func", None) or getattr(tool, "coroutine", None):
            # The agent does the same when it is built, and one failure would take all tools down.
            typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # noqa: BLE001 - the module's own types and validators run here
        return f"its arguments have no schema ({type(error).__name__}: {error})"
    return None


def _code_of(tool: BaseTool) -> object:
    return getattr(tool, "func", None) or getattr(tool, "coroutine", None) or type(tool)


def _line_of(tool: BaseTool, module: ModuleType) -> int | None:
    code = getattr(inspect.unwrap(_code_of(tool)), "__code__", None)  # type: ignore[arg-type]
    if code is None or code.co_filename != module.__file__:
        return None
    return int(code.co_firstlineno)
