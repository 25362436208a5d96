"""All that is counted of one bridge: what its calls tell, and what is read of its parts."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from bridge import __version__
from bridge.agent.chain import NamedModel
from bridge.metrics import labels
from bridge.metrics.calls import CallMetrics
from bridge.metrics.labels import OTHER, among, counts
from bridge.metrics.loopwatch import LoopWatch
from bridge.metrics.readings import Kind, Reading, Readings, Sample, one
from bridge.metrics.siblings import Across, Siblings
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.toolbox import Toolbox
from bridge.server.socket import Switchboard
from bridge.tooling import RESERVED

_log = structlog.get_logger(__name__)

Findings = Callable[[], Mapping[str, Any]]
"""What `/healthz` says."""


class Meters:
    """The metrics of one bridge."""

    def __init__(self, toolbox: Callable[[], Toolbox], models: Sequence[NamedModel]) -> None:
        # It would show a gauge beside every counter.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._models = models
        self._toolbox = toolbox
        names = [model.name for model in models]
        self.calls = CallMetrics(self._registry, self._tools, names)
        self.loop = LoopWatch(self._registry)
        self._across = dict(_ACROSS)
        self._siblings: Siblings | None = None
        self._unkept = False

    def read(
        self,
        board: Switchboard,
        findings: Findings,
        tools: ToolShelf,
        prompts: Sequence[PromptShelf],
    ) -> None:
        """Have these parts read, too, whenever somebody asks."""
        readings = Readings(
            self._registry,
            [
                *_of_calls(board),
                *_of_models(self._models),
                *_of_files(tools, prompts, findings),
                *_of_record(lambda: findings()["record"]),
                *_of_deliveries(findings),
                Reading(
                    "gauge",
                    "info",
                    "The version that runs.",
                    lambda: [((__version__,), 1)],
                    ["version"],
                    across="max",
                ),
            ],
        )
        self._across |= readings.across

    def share(self, siblings: Siblings) -> None:
        """From now on, tell what all processes have counted together."""
        self._siblings = siblings

    def keep(self) -> None:
        """Write down what was counted here, for the others; where that fails, the log says so."""
        try:
            if self._siblings is not None:
                self._siblings.keep(self._own_page())
        except OSError as error:
            if not self._unkept:
                _log.warning("metrics cannot be shared", reason=error.strerror or str(error))
            self._unkept = True
        else:
            self._unkept = False

    def page(self) -> bytes:
        """Everything, as Prometheus reads it (text format 0.0.4).

        Raises:
            OSError: that of the other processes cannot be read.
        """
        page = self._own_page()
        if self._siblings is None:
            return page
        self._siblings.keep(page)
        return self._siblings.page(self._across)

    def _own_page(self) -> bytes:
        return generate_latest(self._registry)

    def _tools(self) -> set[str]:
        return {*RESERVED, *(tool.name for tool in self._toolbox().tools)}


def _of_calls(board: Switchboard) -> Iterable[Reading]:
    calls = board.calls
    yield Reading("gauge", "calls_live", "Sockets that are open.", one(lambda: len(board.live)))
    yield Reading("gauge", "calls_limit", "Calls at once, at most.", one(lambda: board.max_calls))
    about = "Whether the server stops."
    yield Reading("gauge", "draining", about, one(lambda: board.draining), across="max")
    for name, about, label, found, known in (
        (
            "frames_dropped",
            "Frames and requests that were not acted on, by why.",
            "reason",
            calls.dropped,
            labels.DROPPED,
        ),
        (
            "calls_refused",
            "Sockets that were not let in, by why.",
            "reason",
            board.refused,
            labels.REFUSALS,
        ),
        (
            "wrong_tokens",
            "Wrong tokens, by what they were to open.",
            "door",
            board.guesses.refused,
            labels.DOORS,
        ),
        (
            "interrupts",
            "Interrupts, by what they met: a reply being spoken, or played, or nothing.",
            "met",
            calls.interrupts,
            labels.INTERRUPTS,
        ),
        (
            "continuation",
            "Look-ups of earlier calls to go on from, by how they went.",
            "result",
            calls.continuation,
            labels.CONTINUATION,
        ),
    ):
        yield Reading("counter", name, about, partial(counts, found, known), [label])
    yield Reading(
        "counter",
        "thinking_ahead",
        "Answers begun ahead of the request, by whether they were spoken.",
        lambda: [((result,), calls.ahead[result]) for result in labels.AHEAD],
        ["result"],
    )
    yield Reading(
        "counter",
        "thinking_ahead_wasted_tokens",
        "Tokens of answers begun ahead and dropped (estimated).",
        one(lambda: calls.ahead["wasted_tokens"]),
    )


def _of_models(models: Sequence[NamedModel]) -> Iterable[Reading]:
    def failures() -> Iterable[Sample]:
        found: Counter[tuple[str, str]] = Counter()
        for model in models:
            for kind, times in model.failures.items():
                found[model.name, among(kind, labels.MODEL_FAILURES)] += times
        return [
            ((name, kind), found[name, kind])
            for name in {model.name: None for model in models}
            for kind in (*labels.MODEL_FAILURES, OTHER)
        ]

    def each(read: Callable[[NamedModel], float]) -> Callable[[], Iterable[Sample]]:
        """Sum up those of the same name: they differ in their temperature."""

        def samples() -> Iterable[Sample]:
            found: dict[str, float] = {}
            for model in models:
                found[model.name] = found.get(model.name, 0) + read(model)
            return [((name,), value) for name, value in found.items()]

        return samples

    about = "Attempts at a model that failed, by why."
    yield Reading("counter", "model_failures", about, failures, ["model", "kind"])
    about = "Times a model was asked once more."
    yield Reading("counter", "model_retries", about, each(lambda m: m.retries), ["model"])
    about = "Messages that a model gave because those before it did not."
    yield Reading("counter", "model_fallbacks", about, each(lambda m: m.stood_in), ["model"])
    about = "Whether a model is left alone, because it kept failing."
    left_alone = each(lambda m: m.breaker.open)
    yield Reading("gauge", "model_left_alone", about, left_alone, ["model"], across="max")


def _of_files(
    tools: ToolShelf, prompts: Sequence[PromptShelf], findings: Findings
) -> Iterable[Reading]:
    yield Reading(
        "counter",
        "reload_failures",
        "Files that came and could not be used.",
        lambda: [
            (("tools",), tools.refused),
            (("prompts",), sum(shelf.refused for shelf in prompts)),
        ],
        ["kind"],
    )
    about = "Files, servers and personas that are not as they should be, now."
    failures = one(lambda: len(findings()["failures"]))
    yield Reading("gauge", "not_loaded", about, failures, across="max")


def _of_record(status: Findings) -> Iterable[Reading]:
    yield Reading(
        "gauge",
        "record_state",
        "1 for how the record is now.",
        lambda: [((state,), status()["state"] == state) for state in labels.RECORD_STATES],
        ["state"],
        across="max",
    )
    for kind, name, about, key in _RECORD:
        yield Reading(kind, name, about, one(partial(_told, status, key)))
    yield Reading(
        "counter",
        "record_lost",
        "Notes of the record that are lost, by why.",
        lambda: counts(status().get("lost", {}), labels.LOSSES),
        ["reason"],
    )


def _told(status: Findings, key: str) -> float:
    return float(status().get(key, 0))


def _of_deliveries(findings: Findings) -> Iterable[Reading]:
    def both(*keys: str) -> Iterable[Sample]:
        found = findings()
        for kind, part in (("webhook", found["webhook"]), ("after_call", found["after_calls"])):
            yield (kind,), next((part[key] for key in keys if key in part), 0)

    for kind, name, about, keys in _DELIVERIES:
        # Each process knows of all that wait.
        yield Reading(kind, f"deliveries_{name}", about, partial(both, *keys), ["kind"], "max")


_ACROSS: Final[Mapping[str, Across]] = {
    "process_max_fds": "max",
    "process_open_fds": "max",  # it is one process that has no more
    "process_start_time_seconds": "min",
}
"""Gauges of the process that are no sums over several."""
_RECORD: Final[Sequence[tuple[Kind, str, str, str]]] = (
    ("gauge", "record_waiting", "Notes that are not in the database yet.", "waiting"),
    ("gauge", "record_spool_bytes", "Bytes of the spool on the disk.", "spool_bytes"),
    ("counter", "record_written", "Notes that went into the database.", "written"),
)
_DELIVERIES: Final[Sequence[tuple[Kind, str, str, tuple[str, ...]]]] = (
    ("gauge", "waiting", "Things still to be done about calls.", ("waiting",)),
    ("counter", "done", "Things done about calls.", ("delivered", "done")),
    (
        "counter",
        "failed_attempts",
        "Attempts at things about calls that failed.",
        ("failed_attempts",),
    ),
    ("counter", "given_up", "Things that will never be done.", ("given_up",)),
)
