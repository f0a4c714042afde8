"""The synthetic conversations' whole path, from wav files to a page, by the script that the README names."""

import csv
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_from_recordings_to_a_page(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    here = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}
    script = ROOT / "experiments" / "emotion" / "sample.sh"
    result = subprocess.run(
        ["bash", str(script), str(folder), "10", "2"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert len(list((folder / "recordings").rglob("*.wav"))) > 60
    assert {file.name for file in (folder / "features").glob("*.npz")} == {"audio.npz", "text.npz"}
    with (folder / "annotated" / "annotations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "features" / "conversations.csv").open(newline="") as file:
        held_out = [row for row in csv.DictReader(file) if row["split"] == "test"]
    assert [row["text"] for row in rows] == [row["text"] for row in held_out]
    assert all(abs(sum(float(row[key]) for key in row if key.startswith("p_")) - 1) < 1e-3 for row in rows)
    assert "Content-Security-Policy" in (folder / "annotated" / "annotations.html").read_text()
    for figure in ("confusion_matrix", "per_class", "reliability", "relation_weights"):
        assert (folder / "test" / "version_0" / "figures" / f"{figure}.png").stat().st_size > 5000
