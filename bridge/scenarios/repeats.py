"""A scenario played several times, and how often it passed."""

from pydantic import computed_field

from bridge.scenarios.outcome import Outcome, Result


class Repeats(Result):
    """All runs of one scenario."""

    runs: tuple[Outcome, ...]
    wanted: float = 1.0
    """The pass rate that it must have."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def pass_rate(self) -> float:
        """The part of the runs that passed."""
        return sum(run.passed for run in self.runs) / len(self.runs)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether that is enough."""
        return self.pass_rate >= self.wanted


class Played(Result):
    """Every scenario that was played."""

    scenarios: tuple[Repeats, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether all of them passed."""
        return all(repeats.passed for repeats in self.scenarios)
