"""Write a small array; the long form of the test writes 4 GB."""

import mapped

mapped.write("examples.npy", n=3000, width=100)
