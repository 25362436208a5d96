"""What is known of the process without being told: read when somebody asks for the metrics."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bridge.metrics.siblings import Across

Kind = Literal["counter", "gauge"]
Sample = tuple[tuple[str, ...], float]
"""The values of the labels, and the value."""

_OURS: Final = "millis_bridge_"


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric that is read."""

    kind: Kind
    name: str
    about: str
    read: Callable[[], Iterable[Sample]]
    labels: Sequence[str] = ()
    across: Across = "sum"
    """What a gauge is of several processes."""

    def family(self) -> CounterMetricFamily | GaugeMetricFamily:
        """The metric without its samples."""
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        return make(f"{_OURS}{self.name}", self.about, labels=self.labels)


class Readings(Collector):
    """All of them, for one registry."""

    def __init__(self, registry: CollectorRegistry, readings: Iterable[Reading]) -> None:
        self._all = tuple(readings)
        registry.register(self)

    @property
    def across(self) -> dict[str, Across]:
        """What they are of several processes, by their names."""
        return {f"{_OURS}{reading.name}": reading.across for reading in self._all}

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
