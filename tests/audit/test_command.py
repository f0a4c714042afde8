"""The command ``graphml audit``."""

import csv

import pytest
import yaml

from graphml import cli
from graphml.audit.command import DIGITS
from graphml.study.audit import resolve_audit
from graphml.study_file import load_study


@pytest.fixture
def file(tmp_path):
    federation = load_study(DIGITS).config | {"rounds": 5}
    federation["attacks"] = [
        {"class_path": "graphml.federated.audit.LinkStealing", "init_args": {"num_links": 50}},
        "graphml.federated.audit.LossMembership",
    ]
    stage = {"class_path": "graphml.federated.UplinkStage"}
    inner = {"class_path": "graphml.federated.FedAvg"}
    uplink = {"class_path": "graphml.federated.Uplink", "init_args": {"strategy": inner, "stages": [stage]}}
    variants = {"none": {}, "nothing": {"strategy": uplink}, "not_attacked": {"attacks": []}}
    path = tmp_path / "audit.yaml"
    path.write_text(yaml.safe_dump({"study": "audit/tiny", "run": "audit", "config": federation, "variants": variants}))
    return path


def test_it_writes_tables_and_a_chart_and_goes_on(file, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["audit", f"--config={file}", f"--out={out}"]) == 0
    printed = capsys.readouterr().out
    assert printed == (out / "audit.md").read_text()
    assert "Confidentiality" in printed
    assert "Robustness" in printed
    assert (out / "audit.png").stat().st_size > 5000
    with (out / "results.csv").open() as file_:
        rows = [(row["variant"], row["split"], row["metric"], row["value"]) for row in csv.DictReader(file_)]
    plain = {row[1:] for row in rows if row[0] == "none"}
    assert plain == {row[1:] for row in rows if row[0] == "nothing"}  # a stage that does nothing changes nothing
    assert cli.main(["audit", f"--config={file}", f"--out={out}"]) == 0
    assert capsys.readouterr().out == printed


def test_other_studies_are_refused(file, tmp_path, capsys):
    text = file.read_text().replace("run: audit", "run: federate")
    file.write_text(text)
    assert cli.main(["audit", f"--config={file}", f"--out={tmp_path / 'out'}"]) == 2
    assert "attacks" in capsys.readouterr().err
    assert cli.main(["audit", f"--config={tmp_path / 'none.yaml'}"]) == 2
    assert "no study file" in capsys.readouterr().err


def test_an_unknown_attack_is_named(file, tmp_path, capsys):
    file.write_text(file.read_text().replace("LossMembership", "LossMembershop"))
    assert cli.main(["audit", f"--config={file}", f"--out={tmp_path / 'out'}"]) == 2
    assert "LossMembershop" in capsys.readouterr().err


def test_the_embedded_audit_resolves():
    study = load_study(DIGITS)
    for variant in study.variants.values():
        assert resolve_audit([study.config, variant or {}], [])["attacks"] is not None
