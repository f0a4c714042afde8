from pathlib import Path

import pytest
import torch
import yaml

from graphml.cli import main
from graphml.study.command import build_parser
from graphml.study.planning import make_plan
from graphml.study.runner import Plan, differences


def plan(study_file: Path, *args: str) -> Plan:
    return make_plan(*build_parser().parse_known_args([str(study_file), *args]))


def test_variants_are_laid_over_the_shared_configuration(study_file: Path) -> None:
    made = plan(study_file, "--seeds", "2")
    assert {name: config["model"]["init_args"]["width"] for name, config in made.configs.items()} == {
        "narrow": 2,
        "wide": 9,
    }
    assert all(config["model"]["init_args"]["lr"] == 0.01 for config in made.configs.values())
    assert made.seeds == (0, 1)
    assert made.out == Path("runs/tests/tiny")


def test_options_of_runs_are_laid_over_every_variant(study_file: Path) -> None:
    made = plan(study_file, "--variants", "wide", "--first-seed", "3", "--seeds", "1", "--model.lr", "0.5", "--out=x")
    assert made.configs.keys() == {"wide"}
    assert made.configs["wide"]["model"]["init_args"]["lr"] == 0.5
    assert (made.seeds, made.out, made.order) == ((3,), Path("x"), ("narrow", "wide"))


def test_where_the_data_are_is_no_part_of_the_configuration(study_file: Path, tmp_path: Path) -> None:
    made = plan(study_file, "--data.root", ".")
    assert made.options == (f"--data.root={tmp_path}",)
    assert made.configs == plan(study_file).configs


def test_a_variant_may_change_the_class(study_file: Path) -> None:
    study_file.write_text(study_file.read_text() + "  plain: {model: {class_path: tiny.Plain}}\n")
    model = plan(study_file).configs["plain"]["model"]
    assert model == {"class_path": "tiny.Plain", "init_args": {"lr": 0.01}}


def test_stored_configuration_is_one_that_fit_takes(study_file: Path) -> None:
    config = plan(study_file).configs["wide"]
    Path("wide.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config=wide.yaml", "--trainer.enable_progress_bar=false"]) == 0
    (checkpoint,) = Path("runs/fit").rglob("*.ckpt")
    assert torch.load(checkpoint, weights_only=True)["state_dict"]["layer.weight"].shape == (9, 3)


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["--variants", "narow"], "--variants: expected some of narrow, wide, got narow"),
        (["--trainer.max_epoch=3"], "variant narrow: .*trainer.max_epoch"),
        (["--model.widht=3"], "(?s)variant narrow: .*widht"),
        (["--sedes=3"], "variant narrow: .*sedes"),
        (["stray"], "variant narrow: .*stray"),
    ],
)
def test_wrong_option_is_named(study_file: Path, args: list[str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        plan(study_file, *args)


def test_unknown_kind_of_run_is_named(study_file: Path) -> None:
    study_file.write_text(study_file.read_text() + "run: tune\n")
    with pytest.raises(ValueError, match="run: expected one of fit, federate, audit, got 'tune'"):
        plan(study_file)


@pytest.mark.parametrize("args", [["--seeds", "0"], ["--jobs", "0"], ["--first-seed", "-1"], []])
def test_wrong_number_exits_with_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["study", *(["tiny.yaml", *args] if args else [])])
    assert stop.value.code == 2
    assert (args[0] if args else "CONFIG") in capsys.readouterr().err


def test_wrong_option_of_the_command_line_exits_with_2(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", str(study_file), "--trainer.max_epoch=3"]) == 2
    assert "trainer.max_epoch" in capsys.readouterr().err


def test_differences_are_dotted_keys() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "d": 0}
    assert sorted(differences(old, {"a": {"b": 2, "c": [1, 2]}, "e": 1})) == ["a.b", "d", "e"]
    assert list(differences(old, old)) == []
