import csv
import math
from pathlib import Path

import numpy as np
import pytest

from graphml.study.results import Row, Summary, in_order, read_rows, summarize, table, write_rows


def row(variant: str, seed: int, value: float, split: str = "public", metric: str = "test_accuracy") -> Row:
    return Row("s", variant, seed, split, metric, value, 1.5, 300.0, "torch 2; python 3", "abc")


ROWS = [
    row("wavelet", 0, 0.81),
    row("wavelet", 1, 0.83),
    row("wavelet", 2, 0.84),
    row("wavelet", 0, 12.3456, metric="loss"),
    row("gcn", 0, 0.79, split="random 20/20/60"),
]


def test_columns_are_the_ones_that_every_study_shares(tmp_path: Path) -> None:
    write_rows(tmp_path / "results.csv", Row, ROWS)
    with (tmp_path / "results.csv").open() as file:
        header = next(csv.reader(file))
    assert ",".join(header) == "study,variant,seed,split,metric,value,seconds,peak_memory_mib,versions,commit"
    assert ",".join(Summary._fields) == "study,variant,split,metric,n,mean,std"


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [*ROWS, row("a,b", 3, 1 / 3), row("nan", 0, math.inf)]
    write_rows(tmp_path / "results.csv", Row, rows)
    assert read_rows(tmp_path / "results.csv") == rows
    assert read_rows(tmp_path / "absent.csv") == []


def test_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"results\.csv: expected the columns study,variant"):
        read_rows(tmp_path / "results.csv")


def test_summary_agrees_with_numpy() -> None:
    first = summarize(ROWS)[0]
    values = np.array([0.81, 0.83, 0.84])
    assert first[:5] == ("s", "wavelet", "public", "test_accuracy", 3)
    assert first.mean == pytest.approx(values.mean())
    assert first.std == pytest.approx(values.std(ddof=1))
    assert math.isnan(summarize(ROWS)[-1].std)


def test_order_does_not_depend_on_which_run_ended_first() -> None:
    assert in_order([ROWS[4], ROWS[2], ROWS[0], ROWS[3], ROWS[1]], ["wavelet", "gcn"]) == [
        ROWS[0], ROWS[3], ROWS[1], ROWS[2], ROWS[4]
    ]  # fmt: skip


def test_table_has_a_row_for_each_seed_and_a_summary_row() -> None:
    assert table(ROWS) == (
        "| variant | split           | seed       | test_accuracy (%) |  loss |\n"
        "| ------- | --------------- | ---------- | ----------------: | ----: |\n"
        "| wavelet | public          | 0          |             81.00 | 12.35 |\n"
        "| wavelet | public          | 1          |             83.00 |       |\n"
        "| wavelet | public          | 2          |             84.00 |       |\n"
        "| wavelet | public          | mean ± std |      82.67 ± 1.53 | 12.35 |\n"
        "| gcn     | random 20/20/60 | 0          |             79.00 |       |\n"
        "| gcn     | random 20/20/60 | mean ± std |             79.00 |       |\n"
    )
