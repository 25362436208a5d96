"""Jinja for speech: sandboxed, forgiving about what is missing, and bounded."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import ChainableUndefined, Template, TemplateRuntimeError, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

from bridge.plugins.budget import Budget

Notice = Callable[[str], None]


_PASS_ON = frozenset({"default", "d"})
"""Filters that make nothing of what they are given."""


class _CountingGenerator(CodeGenerator):
    """Writes code that pays for what it does where Jinja has no hook: loops, `~`, lists, `==`."""

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        step = nodes.EnvironmentAttribute("step", lineno=node.lineno)
        node.body.insert(0, nodes.ExprStmt(step, lineno=node.lineno))
        if node.test is not None:
            node.test = nodes.And(step, node.test, lineno=node.lineno)
        super().visit_For(node, frame)

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        self.write("(environment.step and ")
        super().visit_Compare(node, frame)
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.concat(map(str, (")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write(")))")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:
        self._paid(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        self._paid(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        if node.ctx == "load":
            self._paid(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def _paid(self, visit: Callable[..., None], node: nodes.Node, frame: Frame) -> None:
        self.write("environment.budget.made(")
        visit(node, frame)
        self.write(")")


class SpeechEnvironment(ImmutableSandboxedEnvironment):
    """Compiles one template, and tells `notice` the names it misses while rendering."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    code_generator_class = _CountingGenerator

    def __init__(self, notice: Notice) -> None:
        self.budget = Budget()
        super().__init__(
            undefined=_undefined_that_tells(notice),
            finalize=self._finalize,
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # do not compute constants while compiling: that has no limits
            autoescape=False,
        )
        # No lipsum: it makes text of any length. No cycler, joiner: they hold state.
        self.globals = {"range": safe_range, "dict": dict}
        self.concat = self.budget.join  # type: ignore[method-assign]
        self.filters = {name: self._paid(name, one) for name, one in self.filters.items()}
        self.tests = {name: self._paid(name, one) for name, one in self.tests.items()}

    def render(self, template: Template, values: Mapping[str, Any], room: int) -> tuple[str, bool]:
        """Put the values in, up to so many characters; the text, and whether it had to be cut.

        Raises:
            SecurityError: the template does too much.
            Exception: whatever a template may raise.
        """
        self.budget.begin()
        parts = []
        for part in template.generate(values):
            parts.append(part[:room])
            room -= len(parts[-1])
            if not room:
                break
        # A lone surrogate in the data would fail later, on its way to the model or the socket.
        return "".join(parts).strip().encode(errors="replace").decode(), not room

    @property
    def step(self) -> bool:
        """Pay for a step, and go on: what the template's code reads where it begins one."""
        self.budget.spend()
        return True

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
        """Compute `+`, `*`, `**` and `%`, unless the result would fill the memory."""
        self.budget.operate(operator, left, right)
        return self.budget.made(super().call_binop(context, operator, left, right))

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method, a macro or a function."""
        method = getattr(obj, "__wrapped__", obj)  # the sandbox's own `format` has the text's
        subject = getattr(method, "__self__", None)
        if not isinstance(obj, Undefined) and subject is not None:
            self.budget.use(method.__name__, subject, (*args, *kwargs.values()))
        return self.budget.made(super().call(context, obj, *args, **kwargs))

    def _paid(self, name: str, use: Any) -> Callable[..., Any]:
        """Have a filter or a test paid for; what Jinja has noted of it stays."""
        own = 1 if hasattr(use, "jinja_pass_arg") else 0  # Jinja's own argument, before the value

        @functools.wraps(use)
        def paid(*args: Any, **kwargs: Any) -> Any:
            if name not in _PASS_ON:
                self.budget.use(name, args[own], (*args[own + 1 :], *kwargs.values()))
            return self.budget.made(use(*args, **kwargs))

        return paid

    def _finalize(self, value: Any) -> Any:
        return "" if value is None else self.budget.made(value)

    def _entry(self, data: Mapping[Any, Any], key: Any) -> Any:
        try:
            return data[key]
        except (KeyError, TypeError):  # TypeError: the key cannot be hashed
            return self.undefined(obj=data, name=str(key))


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
