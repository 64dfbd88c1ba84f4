"""The search of a study, with Optuna, which is imported in this folder only."""

from study.core.interactive import import_progress_bars

import_progress_bars()
