"""The record of studies, and the only room that knows MLflow: `study_tracker` writes, `read_studies` reads back."""
