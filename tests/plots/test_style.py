import subprocess
import sys


def test_figures_start_no_window_system() -> None:
    code = "import sys, graphml.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
