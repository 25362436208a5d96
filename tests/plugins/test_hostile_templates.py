"""A template that would run for hours or fill the memory is stopped, and the next one renders: G11.

Each of these did one of the two, or both, with Jinja's sandbox alone.
"""

import pytest
from structlog.testing import capture_logs

from bridge.call.events import CallData
from bridge.plugins.budget import LONGEST_REPEAT
from bridge.plugins.template import PromptTemplate
from bridge.plugins.tryout import try_out

LONG = "('a' * 60000)"
MANY = 10**9
DOUBLED = {
    "text": ("'x' * 60000", "a ~ a"),
    "sum": ("'x' * 60000", "a + a"),
    "list": ("[1]", "a + a"),
    "list of itself": ("['lol']", "[a, a, a, a, a, a]"),
    "tuple of itself": ("('lol',)", "(a, a, a, a, a, a)"),
    "mapping of itself": ("{'a': 1}", "{'a': a, 'b': a, 'c': a}"),
    "dict of itself": ("{'a': 1}", "dict(a=a, b=a, c=a)"),
    "number": ("2 ** 30000", "a * a"),
}
LOOPS = {
    "in one another": "{% for a in range(9999) %}" * 4 + "{% endfor %}" * 4,
    "that skip all": "{% for a in range(99999) if a == -1 %}{% endfor %}" * 100,
    "that call themselves": "{% for a in range(9999) recursive %}{% if loop.depth < 6 %}"
    "{{ loop(range(9999)) }}{% endif %}{% endfor %}",
    "of macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
    "{{ f(50) }}",
    "that look through lists": "{% set l = range(60000) | list %}{% for a in range(45000) %}"
    "{% if -1 in l %}{% endif %}{% endfor %}",
    "that are written out": "{% set l = range(60000) | list %}"
    + "{% if -1 in l %}{% endif %}" * 1000,
    "without output": "{% set a %}{% for x in range(45000) %}{{ x ~ " + LONG + " }}{% endfor %}"
    "{% endset %}",
    "in a macro": "{% macro f() %}{% for x in range(45000) %}{{ x ~ " + LONG + " }}{% endfor %}"
    "{% endmacro %}{% set a = f() %}",
    "of filters": "{{ range(99999) | map('center', 1000) | list | length }}",
    "of tests": "{% set l = range(60000) | list %}{% for a in range(45000) %}"
    "{{ 'x' if -1 is in l }}{% endfor %}",
}
AT_ONCE = [
    f"'a' | center({MANY})",
    f"'a'.center({MANY})",
    f"'a' | attr('center')({MANY})",
    f"['a'] | map('center', {MANY}) | list",
    f"(1).to_bytes({MANY}, 'big')",
    f"'%{MANY}d' | format(1)",
    f"'%{MANY}d' % 1",
    f"'%*d' % ({MANY}, 1)",
    f"'%(a){MANY}d' | format(a=1)",
    f"'{{:>{MANY}}}'.format(1)",
    f"'{{:>{{w}}}}'.format(1, w={MANY})",
    f"'{{a:>{{w}}}}'.format_map({{'a': 1, 'w': {MANY}}})",
    f"{LONG}.replace('a', {LONG})",
    f"{LONG} | replace('a', {LONG})",
    f"{LONG} | join({LONG})",
    f"{LONG}.join({LONG})",
    f"{LONG}.translate({{97: {LONG}}})",
    f"[{LONG}] * 60000",
    f"([1] | batch({MANY}, 'x') | list)",
    f"([1] | slice({MANY}) | list)",
    f"1 | round({MANY}, 'ceil')",
    f"'a\\nb' | indent({MANY})",
    f"7 ** {MANY}",
]


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_loops_that_would_not_end_are_ended(loop: str) -> None:
    assert try_out(loop, CallData()).error == "SecurityError: the template does too much"


@pytest.mark.parametrize(("first", "then"), DOUBLED.values(), ids=DOUBLED)
def test_what_grows_with_every_line_stops_growing(first: str, then: str) -> None:
    grown = f"{{% set a = {then} %}}" * 60
    tried = try_out(f"{{% set a = {first} %}}{grown}{{{{ a }}}}", CallData())
    assert tried.error.startswith("SecurityError: ")
    assert "large" in tried.error


@pytest.mark.parametrize("expression", AT_ONCE)
def test_what_would_be_large_is_not_made(expression: str) -> None:
    tried = try_out(f"{{{{ ({expression}) | length }}}}", CallData())
    assert tried.error.startswith("SecurityError: ")
    assert "too large" in tried.error


def test_a_prompt_that_does_too_much_gives_its_built_in_text_every_time() -> None:
    prompt = PromptTemplate("prompts/greeting.md", "\n" + LOOPS["in one another"], fallback="Hello")
    with capture_logs() as logs:
        assert [prompt.render({}) for _ in range(2)] == ["Hello"] * 2
    assert [(log["file"], log["line"]) for log in logs] == [("prompts/greeting.md", 2)] * 2


def test_each_rendering_has_a_budget_of_its_own() -> None:
    prompt = PromptTemplate("a.md", "{% for x in range(30000) %}{% endfor %}done", fallback="")
    assert [prompt.render({}) for _ in range(5)] == ["done"] * 5


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ 'Ann' ~ ' ' ~ 5 ~ none }}", "Ann 5None"),
        ("{{ '%.2f and %s' | format(1234567.5, 'b') }}", "1234567.50 and b"),
        ("{{ '{:,} {}'.format(1234567, 'b') }}", "1,234,567 b"),
        ("{{ '%5d' % 7 }}{{ 7 % 4 }}", "7" + "3"),
        ("{{ 'a_b'.replace('_', ' ') | title }}", "A B"),
        ("{{ metadata.missing | default(100000) }}", "100000"),
        (
            "{% for a, b in [(1, 2), (3, 4)] if a > 1 %}{{ loop.last }}{{ a }}{{ b }}{% endfor %}",
            "True34",
        ),
        (
            "{% for x in [1, [2, [3]]] recursive %}{{ loop(x) if x is iterable else x }}"
            "{% endfor %}",
            "123",
        ),
        ("{{ [3, 1, 2] | sort | join(', ') }}{{ {'a': 1} | tojson(2) }}", '1, 2, 3{\n  "a": 1\n}'),
        ("{{ 'a' in 'abc' and 1 < 2 < 3 and not 2 < 1 < 0 }}", "True"),
        ("{{ 'é ' * 3 }}{{ 2 ** 10 }}", "é é é 1024"),
        ("{% set a, b = 1, 2 %}{{ b }}{{ a }}", "21"),
        ("{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f('a') + f('b') }}", "<a><b>"),
    ],
)
def test_what_prompts_do_is_done_as_before(template: str, text: str) -> None:
    tried = try_out(template, CallData(metadata={}))
    assert (tried.text, tried.error) == (text, "")


def test_the_whole_of_the_largest_metadata_can_be_shown() -> None:
    metadata = {"notes": ["é<'\"" * 10] * 1000}
    tried = try_out("{{ metadata | tojson | length }}", CallData(metadata=metadata))
    assert tried.error == ""
    assert int(tried.text) > LONGEST_REPEAT
