"""What is kept of the rounds."""

import csv

import pytest

from graphml.federated import Fault, History, Round
from graphml.federated.history import fault_report


def history(monitor: str = "val_accuracy") -> History:
    accuracies, losses = [0.2, 0.7, 0.7, 0.6], [1.0, 0.9, 0.5, 0.8]
    rows = [
        Round(number, 3, 0, 10, 20, 0.5, {"val_accuracy": accuracy, "val_loss": loss})
        for number, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True))
    ]
    return History(monitor, [*rows, Round(4, 2, 1, 10, 15, 0.5)], [Fault(1, 4, "raised ValueError: no")])


def test_the_best_round_is_the_first_of_the_highest_or_of_the_lowest_loss():
    assert history().best.round == 1
    assert history("val_loss").best.round == 2
    assert [row.round for row in history().evaluated] == [0, 1, 2, 3]


@pytest.mark.parametrize("kept", [History("val_f1", history().rounds), History("val_accuracy")])
def test_what_was_not_measured_cannot_choose(kept):
    with pytest.raises(ValueError, match="monitor: expected one of the metrics"):
        _ = kept.best


def test_it_comes_back_from_its_text():
    back = History("val_accuracy")
    back.load_json(history().to_json())
    assert back == history()


def test_the_file_has_a_line_a_round(tmp_path):
    history().write(tmp_path / "rounds.csv")
    with (tmp_path / "rounds.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["round"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[1]["val_accuracy"] == "0.7"
    assert rows[4]["val_accuracy"] == ""
    assert rows[4]["faults"] == "1"


def test_faults_are_told_by_client_and_reason():
    faults = [Fault(2, number, "timed out") for number in range(1, 12)] + [Fault(0, 3, "sent NaN or infinity in w")]
    assert fault_report(faults) == (
        "client 0: 1 x sent NaN or infinity in w (rounds 3)\n"
        "client 2: 11 x timed out (rounds 1, 2, 3, 4, 5, 6, 7, 8 ...)\n"
    )
    assert fault_report([]) == ""
    assert str(Fault(2, 1, "timed out")) == "client 2 in round 1: timed out"
