"""The demo model: answers calls and uses tools without a key, a network or any understanding."""

from bridge.agent.demo.model import DemoChatModel

__all__ = ["DemoChatModel"]
