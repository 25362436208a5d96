"""Ready-made parts for one's own tools: `from bridge.toolkit import HttpClient, ToolError`."""

from bridge import CallContext, ToolError, policy
from bridge.toolkit.answers import Answer, HttpFailed
from bridge.toolkit.http import HttpClient

__all__ = ["Answer", "CallContext", "HttpClient", "HttpFailed", "ToolError", "policy"]
