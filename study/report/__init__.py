"""The comparison page: records of studies in; a sentence, tables, figures and JSON out."""
