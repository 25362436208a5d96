import gc

import pytest

from bridge.cli import litter


def test_garbage_is_looked_for_again_once_a_start_is_over() -> None:
    before, kept = gc.get_freeze_count(), gc.get_threshold()
    try:
        with litter.left_alone():
            assert not gc.isenabled()
            litter.settle()
            assert gc.isenabled()
            assert gc.get_freeze_count() > before
    finally:
        gc.set_threshold(*kept)


def test_a_start_that_fails_leaves_the_looking_on() -> None:
    with pytest.raises(OSError, match="no port"), litter.left_alone():
        raise OSError("no port")

    assert gc.isenabled()
