import pytest

from graphml.federated.tuning.fidelity import Rung, fraction_in, rungs_of


def test_rounds_up_to_a_rung_draw_its_share_and_the_rest_their_own():
    rungs = rungs_of([{"rounds": 2, "client_fraction": 0.2}, {"rounds": 4, "client_fraction": 0.5}])
    assert rungs == (Rung(2, 0.2), Rung(4, 0.5))
    assert [fraction_in(number, rungs, 1.0) for number in range(1, 7)] == [0.2, 0.2, 0.5, 0.5, 1.0, 1.0]
    assert fraction_in(3, (), 0.7) == 0.7


@pytest.mark.parametrize(
    ("rungs", "told"),
    [
        ([{"rounds": 2}], "expected rungs of rounds and client_fraction"),
        ([3], "expected rungs of rounds and client_fraction, got 3"),
        ([{"rounds": 0, "client_fraction": 0.5}], "rounds: expected at least 1, got 0"),
        ([{"rounds": 1, "client_fraction": 0.0}], r"client_fraction: expected a share in \(0, 1\], got 0.0"),
        ([{"rounds": 4, "client_fraction": 0.5}, {"rounds": 4, "client_fraction": 1.0}], "ascending rounds, got 4, 4"),
    ],
)
def test_wrong_rungs_are_refused(rungs, told):
    with pytest.raises(ValueError, match=told):
        rungs_of(rungs)
