"""Say of a case's assertions what was compared, as of a test's."""

import pytest

pytest.register_assert_rewrite("tests.faults.cases")
