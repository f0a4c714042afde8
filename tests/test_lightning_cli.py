"""The training commands, on a task and data of a few numbers."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from graphml.cli import main
from graphml.data import Conversations, NodeDataModule, Utterance, write_folder
from graphml.lightning_cli import GraphmlCLI
from graphml.tasks import ContrastiveTask

DATA = ["--data=tiny.TinyData"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the module `tiny` importable, and run in a folder of its own."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "study"))
    monkeypatch.chdir(tmp_path)


def quick(command: str, model: str = "tiny.TinyTask", *more: str) -> list[str]:
    trainer = ["--trainer.max_epochs=2", "--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
    return [command, f"--model={model}", *DATA, *trainer, "--trainer.enable_model_summary=false", *more]


def checkpoint(folder: Path = Path("runs/fit/version_0")) -> Path:
    (path,) = (folder / "checkpoints").glob("*.ckpt")
    return path


@pytest.mark.parametrize("model", ["tiny.TinyTask", "tiny.TinyClassifier", "tiny.Plain"])
def test_sizes_flow_from_the_data_to_every_model_that_takes_them(model: str) -> None:
    cli = GraphmlCLI(quick("fit", model))
    assert cli.model.layer.in_features == 3
    taken = {"tiny.TinyTask": {"in_channels"}, "tiny.TinyClassifier": {"in_channels", "num_classes"}}.get(model, set())
    assert {"in_channels", "num_classes"} & set(cli.model.hparams) == taken


@pytest.mark.parametrize("model", ["tiny.TinyTask", "tiny.TinyClassifier", "tiny.Plain"])
def test_fit_then_test_and_predict_from_the_checkpoint(model: str) -> None:
    assert main(quick("fit", model)) == 0
    weight = torch.load(checkpoint(), weights_only=True)["state_dict"]["layer.weight"]

    for command in ("test", "predict"):
        again = [command, "--config=runs/fit/version_0/config.yaml", f"--ckpt_path={checkpoint()}"]
        assert main(again) == 0
    points = torch.arange(24, dtype=torch.float32).view(8, 3) / 24
    bias = torch.load(checkpoint(), weights_only=True)["state_dict"]["layer.bias"]
    predictions = torch.load("runs/predict/version_0/predictions.pt", weights_only=True)
    torch.testing.assert_close(predictions, points @ weight.T + bias)
    assert "public/test_accuracy" in Path("runs/test/version_0/metrics.csv").read_text()


def test_short_option_list_suffices_to_test_a_checkpoint() -> None:
    main(quick("fit", "tiny.TinyTask", "--model.width=5"))
    assert main(quick("test", "tiny.TinyTask", f"--ckpt_path={checkpoint()}")) == 0  # width comes from the checkpoint


def test_real_task_goes_through_all_commands_and_loads_from_python() -> None:
    data = ["--data=NodeDataModule", "--data.name=karate", "--data.train_fraction=0.5"]
    assert main(quick("fit", "ContrastiveTask", *data)) == 0
    again = ["--config=runs/fit/version_0/config.yaml", f"--ckpt_path={checkpoint()}"]
    for command in ("validate", "test", "predict"):
        assert main([command, *again, "--figures.projection=pca"]) == 0
    assert {path.name for path in Path("runs/test/version_0/figures").iterdir()} >= {"embeddings.png"}
    task = ContrastiveTask.load_from_checkpoint(checkpoint())
    predicted = torch.load("runs/predict/version_0/predictions.pt", weights_only=True)
    assert predicted.shape[0] == 34
    with torch.no_grad():
        torch.testing.assert_close(task.eval()(NodeDataModule("karate", train_fraction=0.5).data), predicted)


def test_two_fits_of_one_config_are_bit_equal() -> None:
    states = []
    for run in range(2):
        main(quick("fit"))
        saved = torch.load(checkpoint(Path(f"runs/fit/version_{run}")), weights_only=True)
        states.append([*saved["state_dict"].values()])
    assert all(torch.equal(first, second) for first, second in zip(*states, strict=True))
    main(quick("fit", "tiny.TinyTask", "--seed_everything=1"))
    other = torch.load(checkpoint(Path("runs/fit/version_2")), weights_only=True)["state_dict"]["layer.weight"]
    assert not torch.equal(states[0][0], other)


def test_defaults_are_the_documented_ones() -> None:
    cli = GraphmlCLI(["fit", "--model=tiny.Plain", *DATA, "--trainer.accelerator=cpu"])
    config = cli.config["fit"]
    assert config.seed_everything == 0
    assert config.trainer.deterministic is True
    assert (config.trainer.max_epochs, config.trainer.log_every_n_steps) == (100, 1)
    assert cli.trainer.log_dir == "runs/fit/version_0"


def test_default_data_is_the_embedded_digits_graph_and_class_names_may_be_short() -> None:
    cli = GraphmlCLI(["fit", "--model=ContrastiveTask", "--trainer.accelerator=cpu", "--trainer.fast_dev_run=true"])
    assert type(cli.datamodule).__name__ == "NodeDataModule"
    assert cli.datamodule.num_nodes == 1797


@pytest.mark.parametrize("given", ["--data=tiny.TinyNamedData", "--config={data: {class_path: tiny.TinyNamedData}}"])
def test_options_of_the_default_data_do_not_pass_to_other_data(given: str) -> None:
    cli = GraphmlCLI(["fit", "--model=tiny.Plain", given, "--data.batch_seed=3", "--trainer.accelerator=cpu"])
    assert cli.datamodule.options == ("tiny", 0.5, 3)


def test_a_later_config_changes_the_class_and_keeps_what_the_new_class_takes() -> None:
    Path("base.yaml").write_text(
        "model: {class_path: tiny.TinyTask, init_args: {lr: 1e-2, width: 7}}\ndata: {class_path: tiny.TinyData}\n"
    )
    Path("variant.yaml").write_text("model: {class_path: tiny.Plain}\ntrainer: {max_epochs: 3, accelerator: cpu}\n")
    cli = GraphmlCLI(["fit", "--config=base.yaml", "--config=variant.yaml"])
    assert type(cli.model).__name__ == "Plain"
    assert cli.model.lr == 0.01
    assert cli.trainer.max_epochs == 3


def test_config_is_saved_and_written_again_in_the_same_folder() -> None:
    logger = ["--trainer.logger=CSVLogger", "--trainer.logger.save_dir=here", "--trainer.logger.version=one"]
    for epochs in (1, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning warns that the folder holds another checkpoint already
            assert main([*quick("fit"), *logger, f"--trainer.max_epochs={epochs}"]) == 0
    saved = yaml.safe_load(Path("here/lightning_logs/one/config.yaml").read_text())
    assert saved["trainer"]["max_epochs"] == 2


def test_nothing_is_said_that_does_not_matter(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        assert main(quick("fit")) == 0
    assert [warning.message for warning in shown if not issubclass(warning.category, DeprecationWarning)] == []
    out, err = capsys.readouterr()
    assert out == "Written to runs/fit/version_0\n"
    assert err == ""


def test_checkpoint_decides_over_the_model_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    main(quick("fit", "tiny.TinyTask", "--model.width=5"))
    capsys.readouterr()
    assert main(quick("test", "tiny.TinyTask", f"--ckpt_path={checkpoint()}", "--model.width=3")) == 0
    assert f"the options of the model are those of {checkpoint()}" in capsys.readouterr().err
    assert main(quick("test", "tiny.TinyClassifier", f"--ckpt_path={checkpoint()}")) == 2
    assert "--model is tiny.TinyClassifier, but" in capsys.readouterr().err
    assert main(quick("test", "tiny.TinyTask", "--ckpt_path=nope.ckpt")) == 2
    assert capsys.readouterr().err == "graphml test: error: no checkpoint nope.ckpt\n"


@pytest.mark.parametrize("command", ["test", "predict"])
def test_untrained_model_is_evaluated_but_not_in_silence(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(quick(command)) == 0
    assert "no --ckpt_path: this model is untrained" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["--trainer.max_epoch=3"], "trainer.max_epoch"),
        (["--model.widht=3"], "widht"),
        (["--model=tiny.NoSuchTask"], "tiny.NoSuchTask"),
        (["--config=absent.yaml"], "absent.yaml"),
        (["--config={trainer: {max_epoch: 3}}"], "trainer.max_epoch"),
        (["--trainer.max_epochs=many"], "many"),
    ],
)
def test_wrong_option_is_named_with_status_2(wrong: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*quick("fit"), *wrong]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.startswith("graphml fit: error: ")
    assert "Traceback" not in error
    assert "See 'graphml fit --help', or 'graphml fit --model.help CLASS'" in error
    assert len(error.splitlines()) < 15  # not the two screens of usage


def test_missing_model_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit"]) == 2
    assert "model" in capsys.readouterr().err


def test_refused_value_is_the_message_of_the_class_that_refused_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--model=ContrastiveTask", "--data.name=nosuch"]) == 2
    assert capsys.readouterr().err.startswith("graphml fit: error: unknown dataset name 'nosuch'")
    assert (
        main(["fit", "--model=ContrastiveTask", "--model.encoder=graphml.models.WaveletEncoder", "--model.encoder.K=0"])
        == 2
    )
    assert "expected a polynomial degree" in capsys.readouterr().err


def test_refusal_is_the_message_that_its_class_chose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(quick("fit", "tiny.TinyTask", "--model.mode=refused")) == 2
    assert capsys.readouterr().err == "graphml fit: error: mode: expected another one\n"
    assert main(quick("fit", "tiny.TinyTask", "--trainer.accelerator=gpuu")) == 2
    assert "gpuu" in capsys.readouterr().err


def test_bug_in_a_class_keeps_its_own_traceback() -> None:
    with pytest.raises(KeyError, match="bug") as raised:
        main(quick("fit", "tiny.TinyTask", "--model.mode=bug"))
    assert raised.traceback[-1].name == "refuse"


def test_missing_dataset_is_a_message_and_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(quick("fit", "tiny.TinyTask", "--data.root=absent")) == 3
    assert capsys.readouterr().err == "graphml fit: error: no dataset in absent\n"


def test_real_task_with_missing_data_says_where_it_looked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--model=ContrastiveTask", "--data.name=Cora", "--data.root=absent"]) == 3
    assert "absent" in capsys.readouterr().err


def test_help_of_a_command_lists_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "--figures.enabled" in text
    assert "--trainer.max_epochs" in text


def talks(folder: Path, speakers: str = "ABAB", classes: str = "ab", **widths: int) -> Path:
    """Ten dialogues of four utterances, labelled "a" and "b" in turn, with features of noise."""
    widths = {"text": 3} | widths
    rows = [Utterance(f"d{d}", str(n), speakers[n], label="ab"[n % 2]) for d in range(10) for n in range(4)]
    rng = np.random.default_rng(0)
    features = {name: rng.standard_normal((40, size)).astype(np.float32) for name, size in widths.items()}
    write_folder(folder, Conversations(rows, list(classes), features))
    return folder


EMOTION = ["--model=EmotionTask", "--data=ConversationDataModule", "--trainer.enable_progress_bar=false"]


@pytest.mark.parametrize(
    ("model", "other"),
    [
        ("DERGCN", {"speakers": "ABCA"}),
        ("DERGCN", {"speakers": "AAAA"}),
        ("DialogueGCN", {"speakers": "ABCA"}),  # its relations are of pairs of speakers
        ("DERGCN", {"classes": "ba"}),
        ("DERGCN", {"audio": 5}),
    ],
)
def test_data_of_other_sizes_that_the_model_can_take_are_tested(model: str, other: dict, tmp_path: Path) -> None:
    options = [*EMOTION, f"--model.model=graphml.models.{model}"]
    first, second = talks(tmp_path / "first", classes="abc"), talks(tmp_path / "second", **other)
    assert main(["fit", *options, "--trainer.max_epochs=1", f"--data.path={first}"]) == 0
    for path in (first, second):
        assert main(["test", *options, f"--data.path={path}", f"--ckpt_path={checkpoint()}"]) == 0
    tested = [Path(f"runs/test/version_{number}/metrics.csv").read_text() for number in range(2)]
    # of other speakers the predictions may differ; all else is the same utterances and labels, under other numbers
    assert "speakers" in other or tested[0] == tested[1]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"text": 4}, "in_channels: expected {'text': 3} as in the checkpoint, got {'text': 4} from the data"),
        ({"classes": "abd"}, "classes: expected some of those of the training, a, b, got a, b, d"),
    ],
)
def test_data_that_the_model_cannot_take_are_a_message_and_status_2(
    other: dict, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = talks(tmp_path / "first"), talks(tmp_path / "second", **other)
    assert main(["fit", *EMOTION, "--trainer.max_epochs=1", f"--data.path={first}"]) == 0
    assert main(["test", *EMOTION, f"--data.path={second}", f"--ckpt_path={checkpoint()}"]) == 2
    assert f"graphml test: error: {message}\n" in capsys.readouterr().err


def test_numbers_of_classes_without_names_must_be_those_of_the_checkpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(quick("fit", "tiny.TinyClassifier")) == 0
    monkeypatch.setattr("tiny.TinyData.num_classes", 3)
    assert main(quick("test", "tiny.TinyClassifier", f"--ckpt_path={checkpoint()}")) == 2
    assert "num_classes: expected 2 as in the checkpoint, got 3 from the data" in capsys.readouterr().err


def test_weights_that_do_not_fit_the_options_are_a_message_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    main(quick("fit"))
    saved = torch.load(checkpoint(), weights_only=True)
    saved["hyper_parameters"]["width"] = 5
    torch.save(saved, "other.ckpt")
    assert main(quick("test", "tiny.TinyTask", "--ckpt_path=other.ckpt")) == 2
    assert "the weights of the checkpoint are of other sizes than the options" in capsys.readouterr().err


def test_a_task_with_a_monitored_metric_keeps_its_best_epoch_and_gets_all_sizes(tmp_path: Path) -> None:
    options = [*EMOTION, f"--data.path={talks(tmp_path / 'talks', 'ABCA')}"]
    quiet = ["--trainer.max_epochs=4", "--model.model=graphml.models.DERGCN"]
    cli = GraphmlCLI(["fit", *options, *quiet])
    assert cli.model.model.speaker.num_speakers == 3
    saved = torch.load(checkpoint(), weights_only=True)
    (best,) = [state for name, state in saved["callbacks"].items() if name.startswith("ModelCheckpoint")]
    assert best["monitor"] == "val_weighted_f1"
    assert main(["test", *options, *quiet, f"--ckpt_path={checkpoint()}"]) == 0
    figures = {file.name for file in Path("runs/test/version_0/figures").iterdir()}
    assert figures == {"confusion_matrix.png", "per_class.png", "reliability.png", "relation_weights.png"}
    assert main(["predict", *options, *quiet, f"--ckpt_path={checkpoint()}"]) == 0
    assert torch.load("runs/predict/version_0/predictions.pt").shape == (8, 2)
