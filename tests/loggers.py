"""The loggers of the bridge, which remember the configuration that they were first used with."""

import sys

from structlog._config import BoundLoggerLazyProxy


def forget() -> None:
    """Have every one of them look at the configuration again."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "bridge":
            for value in vars(module).values():
                if isinstance(value, BoundLoggerLazyProxy):
                    vars(value).pop("bind", None)
