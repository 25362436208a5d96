"""What is known of the process without being told: read when somebody asks for the metrics."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Kind = Literal["counter", "gauge"]
Sample = tuple[tuple[str, ...], float]
"""The values of the labels, and the value."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric that is read."""

    kind: Kind
    name: str
    about: str
    read: Callable[[], Iterable[Sample]]
    labels: Sequence[str] = ()

    def family(self) -> CounterMetricFamily | GaugeMetricFamily:
        """The metric without its samples."""
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        return make(f"millis_bridge_{self.name}", self.about, labels=self.labels)


class Readings(Collector):
    """All of them, for one registry."""

    def __init__(self, registry: CollectorRegistry, readings: Iterable[Reading]) -> None:
        self._all = tuple(readings)
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Name them: nothing is read yet."""
        return [reading.family() for reading in self._all]

    def collect(self) -> Iterable[Metric]:
        """Read them."""
        for reading in self._all:
            family = reading.family()
            for labels, value in reading.read():
                family.add_metric(labels, value)
            yield family


def one(read: Callable[[], float]) -> Callable[[], Iterable[Sample]]:
    """A reading without labels."""
    return lambda: [((), read())]
