from pathlib import Path

import pytest

from graphml.study_file import StudyConfig, load_study


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return path


TINY = """
study: tests/tiny
config:
  model: {class_path: tiny.TinyTask, init_args: {lr: 1e-2}}
variants:
  narrow:
  wide: {model: {init_args: {width: 9}}}
"""


def test_reads_numbers_as_the_training_commands_do(tmp_path: Path) -> None:
    study = load_study(write(tmp_path, TINY))
    assert (study.study, study.run) == ("tests/tiny", "fit")
    assert study.config["model"]["init_args"]["lr"] == 0.01  # plain YAML 1.1 reads 1e-2 as a string
    assert study.variants == {"narrow": None, "wide": {"model": {"init_args": {"width": 9}}}}


def test_variants_may_be_left_out(tmp_path: Path) -> None:
    assert load_study(write(tmp_path, "study: a\nconfig: {}\n")).variants == {"main": None}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "study: a\nconfig: {}\nvariant: {a: {}}\n",
            "study.yaml: unknown key variant; the keys of a study are study, config, run, variants",
        ),
        ("config: {}\n", "study"),
        ("study: a\nconfig: 3\n", "config"),
        ("study: ../a\nconfig: {}\n", "study: expected letters"),
        ("study: a\nconfig: {}\nvariants: {}\n", "variants: expected at least one"),
        ("study: a\nconfig: {}\nvariants: {a b: {}}\n", "variants: .*'a b'"),
        ("study: a\nconfig: {}\nvariants: {figures: {}}\n", "variants: .*'figures'"),
        ("study: [\n", "study.yaml"),
    ],
)
def test_wrong_file_is_named(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        load_study(write(tmp_path, text))


def test_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"no study file absent\.yaml"):
        load_study("absent.yaml")


def test_can_be_made_in_python() -> None:
    assert StudyConfig("a/b", {}).run == "fit"
