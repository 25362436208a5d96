"""Autobahn's RFC 6455 suite against a call's socket, and what it found: docs/autobahn.md."""
