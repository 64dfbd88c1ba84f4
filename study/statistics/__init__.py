"""Statistics of comparisons, one a file: NumPy arrays in, numbers out, generators passed in."""
