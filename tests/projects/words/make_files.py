"""Write a text of few words in a fixed order of kinds."""

from pathlib import Path

import numpy as np

rng = np.random.default_rng(0)
sentences = [
    " ".join(rng.choice(words) for words in (["the", "a"], ["cat", "dog", "bird"], ["sees", "hears"], ["me", "you"]))
    for _ in range(1500)
]
Path("animals.txt").write_text(". ".join(sentences))
