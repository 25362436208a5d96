"""The guide to operations, the alerts and the dashboard are held against the metrics there are."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bridge.app import Bridge
from bridge.settings import Settings

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "millis-bridge.json"
SCRAPED = {"job", "instance", "le"}
"""Labels that Prometheus adds, or that say nothing of ours."""
GIVEN = {"up": {"job": set[str](), "instance": set[str]()}}

Known = Mapping[str, Mapping[str, set[str]]]
"""The values of each label of each sample."""


@pytest.fixture(scope="module")
def page() -> str:
    settings = Settings(model="openai:gpt", record="off")
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("OPENAI_API_KEY", "sk-test")
        return Bridge(settings).meters.page().decode()


@pytest.fixture(scope="module")
def known(page: str) -> Known:
    found: dict[str, dict[str, set[str]]] = {**GIVEN}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def table(page: str) -> str:
    """The table as the guide has to have it."""
    rows = ["| metric | kind | labels | what it is |", "|---|---|---|---|"]
    for family in text_string_to_metric_families(page):
        if family.name.startswith("process_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert family.samples, f"{name} begins with nothing"
        labels = [f"`{label}`" for label in family.samples[0].labels if label != "le"]
        rows.append(f"| `{name}` | {family.type} | {', '.join(labels)} | {family.documentation} |")
    return "\n".join([*rows[:2], *sorted(rows[2:])])


def expressions(found: Any) -> Iterator[str]:
    """Every `expr` in a file, wherever it stands."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "expr":
                yield value
            else:
                yield from expressions(value)
    elif isinstance(found, list):
        for value in found:
            yield from expressions(value)


def used(expression: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """The metrics of an expression, with what it asks of their labels."""
    for name, asked in re.findall(
        r"\b((?:millis_bridge|process)_\w+|up)\b(?:\{([^}]*)\})?", expression
    ):
        yield name, re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', asked)


def faults(expression: str, known: Known) -> list[str]:
    """What of an expression would never be found."""
    found = []
    for name, matchers in used(expression):
        if name not in known:
            found.append(f"no metric {name}")
            continue
        for label, how, value in matchers:
            if label in SCRAPED:
                continue
            values = value.split("|") if how in ("=~", "!~") else [value]
            if not set(values) <= known[name].get(label, set()):
                found.append(f"{name} never has {label}={value}")
    for by in re.findall(r"\bby \(([^)]*)\)", expression):
        labels = {label for name, _ in used(expression) for label in known.get(name, {})}
        unknown = {label.strip() for label in by.split(",")} - labels - SCRAPED
        found += [f"nothing has the label {label}" for label in sorted(unknown)]
    return found


def test_the_guide_tells_of_every_metric(page: str) -> None:
    (shown,) = re.findall(r"<!-- metrics -->\n(.*?)\n<!-- /metrics -->", GUIDE, re.DOTALL)
    assert shown == table(page)


@pytest.mark.parametrize("file", [ALERTS, DASHBOARD], ids=lambda file: file.stem)
def test_alerts_and_dashboard_ask_for_what_there_is(file: Path, known: Known) -> None:
    found = yaml.safe_load(file.read_text())
    asked = list(expressions(found))
    assert len(asked) > 15
    assert [fault for one in asked for fault in faults(one, known)] == []


def test_the_dashboard_shows_every_metric(known: Known) -> None:
    shown = {
        name for one in expressions(json.loads(DASHBOARD.read_text())) for name, _ in used(one)
    }
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    ours = {re.sub(r"_(bucket|sum|count)$", "", n) for n in known if n.startswith("millis_")}
    assert ours - bases == set()


def test_every_alert_says_what_is_wrong_and_how_urgent_it_is() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names))
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".")


def test_an_expression_with_a_wrong_name_or_value_is_noticed(known: Known) -> None:
    assert faults("rate(millis_bridge_turn_total[5m])", known)
    assert faults('millis_bridge_record_state{state="lost"}', known)
    assert faults('millis_bridge_calls_total{outcome="hung_up"}', known)
    assert faults("sum by (tools) (millis_bridge_tool_runs_total)", known)
    assert not faults('sum by (tool) (millis_bridge_tool_runs_total{outcome=~"failed|ok"})', known)
