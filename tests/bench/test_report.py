import csv
import math
from pathlib import Path

from graphml.bench.measure import Result
from graphml.bench.report import table, write_report

RESULTS = [
    Result("product", "tiny", "peer", 2.0, 1.0, 8.0, math.nan, math.nan),
    Result("product", "tiny", "ours", 0.5, 4.0, 1.0, 0.314, 3.0),
]


def test_table_leaves_out_what_was_not_measured():
    lines = table(RESULTS).splitlines()
    assert len(lines) == 4
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[2] == ["product", "tiny", "peer", "2", "1.00", "", "8.0", ""]
    assert cells[3] == ["product", "tiny", "ours", "0.5", "4.00", "3", "1.0", "31 %"]


def test_report_holds_all_benchmarks_with_machine_and_versions(tmp_path: Path):
    write_report(tmp_path, {"first": RESULTS, "second": RESULTS[:1]}, "a machine")
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["benchmark"] for row in rows] == ["first", "first", "second"]
    assert (rows[1]["candidate"], rows[1]["ratio"], rows[0]["goal"]) == ("ours", "4", "")
    assert all(row["machine"] == "a machine" and "torch" in row["versions"] for row in rows)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"first.png", "second.png"}
