"""Jinja for speech: sandboxed, forgiving about what is missing, and bounded."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import ChainableUndefined, TemplateRuntimeError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

LONGEST_REPEAT = 64 * 1024
"""Characters or items that `*` may make, and bits that `**` may."""

Notice = Callable[[str], None]


class SpeechEnvironment(ImmutableSandboxedEnvironment):
    """Compiles one template, and tells `notice` the names it misses while rendering."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self, notice: Notice) -> None:
        super().__init__(
            undefined=_undefined_that_tells(notice),
            finalize=_nothing_for_none,
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # do not compute constants while compiling: that has no limits
            autoescape=False,
        )
        # No lipsum: it makes text of any length. No cycler, joiner: they hold state.
        self.globals = {"range": safe_range, "dict": dict}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Read `a.b`: of a mapping only its data, so that `metadata.items` is what Millis sent."""
        if isinstance(obj, Mapping):
            return self._entry(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Read `a["b"]`, in the same way."""
        if isinstance(obj, Mapping):
            return self._entry(obj, argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute `*` and `**`, unless the result would fill the memory."""
        if _size_of(operator, left, right) > LONGEST_REPEAT:
            raise SecurityError(f"the result of {operator} is too large")
        return super().call_binop(context, operator, left, right)

    def _entry(self, data: Mapping[Any, Any], key: Any) -> Any:
        try:
            return data[key]
        except (KeyError, TypeError):  # TypeError: the key cannot be hashed
            return self.undefined(obj=data, name=str(key))


def _size_of(operator: str, left: Any, right: Any) -> float:
    if operator == "**":
        if isinstance(left, int) and isinstance(right, int):
            return left.bit_length() * right
        return 0  # of floats: large ones raise OverflowError by themselves
    for value, times in ((left, right), (right, left)):
        if isinstance(value, str | bytes | list | tuple) and isinstance(times, int):
            return len(value) * times
    if isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length()
    return 0


def _nothing_for_none(value: Any) -> Any:
    return "" if value is None else value


def _undefined_that_tells(notice: Notice) -> type[Undefined]:
    """Make the kind of nothing that one template meets.

    Testing it, `{% if metadata.name %}` and `| default(…)`, is asking and not missing: no notice.
    """

    class Missing(ChainableUndefined):
        def __str__(self) -> str:
            notice(str(self._undefined_name))
            return ""

        def __iter__(self) -> Any:
            notice(str(self._undefined_name))
            return iter(())

        def __call__(self, *_: Any, **__: Any) -> "Missing":  # type: ignore[override]
            notice(str(self._undefined_name))
            return self

    return Missing


def reject_references(tree: nodes.Template) -> None:
    """Refuse what would look for another file: there is none to be found.

    Raises:
        TemplateRuntimeError: the template includes, imports or extends another one.
    """
    kinds = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    for node in tree.find_all(kinds):
        error = TemplateRuntimeError("a prompt cannot include another file")
        error.lineno = node.lineno  # type: ignore[attr-defined]
        raise error
