"""Hostile bytes for all that reads them: docs/fuzzing.md says what is fuzzed and how.

One module for each reader: a `Target`, whose `check` must hold for any bytes.
"""
