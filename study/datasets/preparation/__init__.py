"""Turn what `load()` returns into splits of arrays and streams."""
