"""Scenarios: calls written down beforehand in YAML, and what is expected of the answers."""
