"""What `/metrics` says, read as Prometheus reads it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bridge.app import Bridge
from tests.wire import PATIENCE, Served


@dataclass(frozen=True)
class Metrics:
    """One page of metrics."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]
    families: dict[str, str]
    """Their types, by name."""

    def value(self, name: str, **labels: str) -> float:
        """One sample, which must be there."""
        return self.samples[f"millis_bridge_{name}", frozenset(labels.items())]

    def labels(self, label: str) -> set[str]:
        """Every value that a label has anywhere."""
        return {value for _, pairs in self.samples for name, value in pairs if name == label}


def parsed(text: str) -> Metrics:
    """Read a page."""
    families = list(text_string_to_metric_families(text))
    return Metrics(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        },
        {family.name: family.type for family in families},
    )


async def metrics(bridge: Bridge | Served) -> Metrics:
    """Ask for them."""
    url = f"http://127.0.0.1:{bridge.port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return parsed(await response.text())


async def metrics_when(bridge: Bridge, true: Callable[[Metrics], object]) -> Metrics:
    """Ask for them until something holds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await metrics(bridge)
            if true(found):
                return found
            await asyncio.sleep(0.01)  # the page is all there is to look at
