import sys
from pathlib import Path

# `training_workload` is named by `_target_` in hand-made configs, and tests are no packages.
sys.path.append(str(Path(__file__).parents[1] / "training"))
