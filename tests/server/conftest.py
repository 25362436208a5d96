"""Databases, as the tests of the store have them, for those of the record's API and webhook."""

from tests.store.conftest import *  # noqa: F403 - its fixtures, and what they need
