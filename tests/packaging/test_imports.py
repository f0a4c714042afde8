"""What an import loads: layers stay light, and the top-level help answers without torch."""

import subprocess
import sys

HEAVY = ("pytorch_lightning", "lightning", "librosa", "matplotlib", "flwr")


def loaded_after(statements: str, candidates: tuple[str, ...]) -> list[str]:
    """Names among `candidates` that a fresh interpreter has loaded after the statements."""
    script = f"{statements}\nimport sys; print('loaded:', *[m for m in {candidates!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.rsplit("loaded:", 1)[1].split()


def test_importing_the_layers_loads_no_trainer_audio_plots_or_federation() -> None:
    assert loaded_after("import graphml.nn", HEAVY) == []


def test_importing_the_models_and_losses_stays_as_light() -> None:
    assert loaded_after("import graphml.models, graphml.losses, graphml.spectral, graphml.ops", HEAVY) == []


def test_importing_the_package_loads_no_torch() -> None:
    assert loaded_after("import graphml", ("torch", "numpy", *HEAVY)) == []


def test_top_level_help_loads_no_torch() -> None:
    help_only = "from graphml.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert loaded_after(help_only, ("torch", "torch_geometric", *HEAVY)) == []


def test_importing_federations_and_their_tuning_loads_no_extra() -> None:
    assert loaded_after("import graphml.federated.tuning", ("optuna", "flwr", "opacus", "pymetis")) == []
