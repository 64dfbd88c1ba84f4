"""Write a table with categories, missing values and one positive in twenty rows."""

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 2000
age, city = rng.normal(45, 15, n).round(), rng.choice(["Bern", "Oslo", "Rome"], n)
risk = age / 15 + 2 * (city == "Oslo") + rng.normal(0, 1, n)
table = pd.DataFrame({"age": age, "city": city, "fails": np.where(risk > np.quantile(risk, 0.95), "yes", "no")})
table.loc[::10, "age"] = np.nan
table.loc[::15, "city"] = None
table.to_csv("machines.csv", index=False)
