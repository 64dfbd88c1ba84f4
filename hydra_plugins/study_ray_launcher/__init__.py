"""A launcher for Hydra; found by Hydra in this package, which is why it stands apart from study/."""
