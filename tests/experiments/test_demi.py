"""The benchmark of mutual information: what its committed table claims, and the script that makes it."""

import csv
import math
import sys
from pathlib import Path

import pytest
import torch

from graphml.bench.command import load

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "demi"
SCRIPT = load(FOLDER / "gaussians.py")
CHAIN, PLAIN = "DEMI, conditional negatives", "InfoNCE"


@pytest.fixture(scope="module")
def table() -> dict[tuple[str, str, float], float]:
    with (FOLDER / "gaussians.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["critics"], row["estimate"], float(row["truth"])): float(row["nats"]) for row in rows}


@pytest.mark.parametrize("critics", ["exact", "learned"])
def test_the_chain_estimates_more_of_a_large_information_and_not_more_than_there_is(table, critics):
    for nats in (5.0, 10.0, 15.0, 20.0):
        assert table[critics, PLAIN, nats] < math.log(SCRIPT.N) + 1e-3  # the table is rounded
        assert table[critics, PLAIN, nats] < table[critics, CHAIN, nats] < nats
    assert table[critics, CHAIN, 20.0] > 4 * table[critics, PLAIN, 20.0]


def test_the_script_draws_what_it_says():
    x, y = SCRIPT.draw(10.0, 20_000, torch.Generator().manual_seed(0))
    together = torch.cat([x, y], 1).T.cov().double()
    entropies = [torch.logdet(part) / 2 for part in (x.T.cov().double(), y.T.cov().double(), together)]
    assert float(entropies[0] + entropies[1] - entropies[2]) == pytest.approx(10.0, rel=0.02)


def test_the_script_writes_table_and_figure(tmp_path, monkeypatch, capsys):
    for name, value in {"NATS": (2.0, 10.0), "STEPS": 2, "TESTS": 4, "FIT": 500}.items():
        monkeypatch.setattr(SCRIPT, name, value)
    monkeypatch.setattr(sys, "argv", ["gaussians.py", "--out", str(tmp_path)])
    SCRIPT.main()
    first = (tmp_path / "gaussians.csv").read_bytes()
    assert (tmp_path / "figures" / "gaussians.png").stat().st_size > 10_000
    assert "DEMI, importance weights" in capsys.readouterr().out
    SCRIPT.main()
    assert (tmp_path / "gaussians.csv").read_bytes() == first
