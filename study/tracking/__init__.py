"""The record of studies in MLflow, imported in this folder only: `study_tracker` writes, `read_studies` reads back."""
