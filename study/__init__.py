"""Find out which optimizer, at which settings, is best for a model and a data set, and how sure we are."""
