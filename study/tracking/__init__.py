"""The record of studies, and the only place that knows MLflow: `writer` records, `reader` reads back."""
