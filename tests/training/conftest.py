import sys
from pathlib import Path

# Configs of tests name `training_workload` in `_target_`, and the folders of tests are not packages.
sys.path.append(str(Path(__file__).parent))
