import sys
from pathlib import Path

# `mutants` and `keras_steps` are shared by the files here, and tests are no packages.
sys.path.append(str(Path(__file__).parent))
