"""Some hundred spoilt inputs through all doors; ``make fuzz`` sends thousands."""

from tests.fuzz.fuzzing import GOOD, fuzz


def test_no_input_ends_in_a_traceback_hangs_runs_or_is_believed_though_damaged():
    counts, found = fuzz(inputs=300, seed=16)
    assert found == []
    assert sum(count[outcome] for count in counts.values() for outcome in GOOD) == 300
    assert all(count["refused"] > 0 for count in counts.values())
