import math
import time

import pytest
import torch

from graphml.bench.measure import compare, copy_bandwidth, peak_mib


def spend(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_ratios_are_to_the_reference_and_times_are_of_the_cpu():
    def slow() -> None:
        spend(0.02)

    def fast() -> None:
        time.sleep(0.02)  # waiting costs no processor time
        spend(0.01)

    first, second = compare("job", "size", {"slow": slow, "fast": fast}, "slow", {"fast": 5.0}, repeats=3)
    assert (first.job, first.size, first.candidate, first.ratio) == ("job", "size", "slow", 1.0)
    assert 18 < first.milliseconds < 40
    assert 1.2 < second.ratio < 2.5
    assert (math.isnan(first.goal), second.goal) == (True, 5.0)
    assert math.isnan(first.bandwidth)


def test_candidates_run_in_turns_after_a_warm_up():
    calls = []
    compare("", "", {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, "a", repeats=2)
    assert "".join(calls) == "ab" + "abab" + "ab"  # the last pair measures memory


def test_bandwidth_is_a_share_of_that_of_a_copy():
    source = torch.ones(2**22)
    target = torch.empty_like(source)
    (copy,) = compare("", "", {"copy": lambda: target.copy_(source)}, "copy", bytes_moved=2 * 4 * 2**22)
    assert 0.2 < copy.bandwidth < 5  # a smaller copy may lie in the cache
    assert copy_bandwidth() > 1e8


@pytest.mark.parametrize(("function", "mib"), [(lambda: None, 0), (lambda: torch.empty(2**20) is None, 4)])
def test_peak_counts_what_is_held_at_a_time(function, mib):
    assert peak_mib(function) == pytest.approx(mib, abs=0.1)


def test_peak_does_not_add_up_what_was_freed():
    def twice() -> None:
        for _ in range(2):
            torch.empty(2**20)

    assert peak_mib(twice) == pytest.approx(4, abs=0.1)
