"""The largest rate at which gradient descent converges on a quadratic landscape, known before the study runs.

Along an eigenvector of the Hessian with eigenvalue λ, the distance c from the stationary point follows its own
recursion, independent of the other directions. With rate η and momentum β, and the velocity v that includes the rate:

    gradient descent    c <- (1 - ηλ) c
    momentum            v <- β v - ηλ c,  c <- c + v
    Nesterov            v <- β v - ηλ c,  c <- c + β v - ηλ c

These are powers of a matrix, and shrink as long as its eigenvalues lie inside the unit circle.

Source: Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational Mathematics and
Mathematical Physics 4(5), 1964, section 2; Goh, "Why momentum really works", Distill, 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.schema import OptimizerConfig, StudyConfig
from study.optimizers.landscape import Landscape, read_landscape

_SGD = "keras.optimizers.SGD"
# The largest distance of a quadratic landscape from its parabola, relative to its heights.
_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Gradient descent with a fixed rate.

    Attributes:
        learning_rate: The rate, which the velocity includes.
        momentum: Decay rate of the velocity. Default 0.
        nesterov: Look ahead by the next velocity in each step, as in Nesterov's form above. Default False.
    """

    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False

    def limit(self, curvature: float) -> float:
        """Return the smallest rate at which a direction does not converge.

        It is 2/λ, with momentum 2(1 + β)/λ, and in Nesterov's form 2(1 + β)/((1 + 2β)λ).

        Args:
            curvature: Eigenvalue of the direction, λ, above 0.
        """
        slowed = 1 + 2 * self.momentum if self.nesterov else 1.0
        return 2 * (1 + self.momentum) / (slowed * curvature)

    def recursion(self, curvature: float) -> NDArray[np.float64]:
        """Return the matrix that maps (c, v) to their values after one step, shape (2, 2).

        Args:
            curvature: Eigenvalue of the direction, λ.
        """
        step, kept = self.learning_rate * curvature, self.momentum
        if self.nesterov:
            return np.array([[1 - step - kept * step, kept * kept], [-step, kept]])
        return np.array([[1 - step, kept], [-step, kept]])

    def factor(self, curvature: float) -> float:
        """Return the factor by which the distance along a direction grows in a step, in the long run.

        Args:
            curvature: Eigenvalue of the direction, λ.
        """
        return float(np.abs(np.linalg.eigvals(self.recursion(curvature))).max())


@dataclass(frozen=True, kw_only=True)
class Quadratic:
    """A quadratic landscape in the coordinates of its eigenvectors.

    Attributes:
        curvatures: Eigenvalues of the Hessian, ascending, shape (n_dimensions,).
        directions: Their eigenvectors as columns, shape (n_dimensions, n_dimensions).
        center: The stationary point, shape (n_dimensions,).
    """

    curvatures: NDArray[np.float64]
    directions: NDArray[np.float64]
    center: NDArray[np.float64]

    def gradient(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient at a position, shape (n_dimensions,).

        Args:
            position: The position, shape (n_dimensions,).
        """
        along = self.directions.T @ (position - self.center)
        return np.asarray(self.directions @ (self.curvatures * along), dtype=np.float64)

    def path(self, start: NDArray[np.float64], descent: Descent, *, n_steps: int) -> NDArray[np.float64]:
        """Return the positions before and after each step, in closed form, shape (n_steps + 1, n_dimensions).

        Args:
            start: The position before the first step, shape (n_dimensions,).
            descent: The rule.
            n_steps: Number of steps.
        """
        along = self.directions.T @ (start - self.center)
        with np.errstate(all="ignore"):
            distances = [
                [
                    (np.linalg.matrix_power(descent.recursion(curvature), n) @ (distance, 0.0))[0]
                    for n in range(n_steps + 1)
                ]
                for curvature, distance in zip(self.curvatures, along, strict=True)
            ]
            return np.asarray(self.center + np.asarray(distances).T @ self.directions.T)


def warning(config: StudyConfig) -> str | None:
    """Return a warning if the study's fixed rate lies above the limit of its landscape; otherwise None.

    Args:
        config: The study's config.
    """
    landscape = read_landscape(config.model.section)
    descent = fixed_descent(config.optimizer)
    if landscape is None or descent is None or config.schedule.section.get("_target_") is not None:
        return None
    quadratic = as_quadratic(landscape)
    if quadratic is None or quadratic.curvatures[-1] <= 0:
        return None
    curvature = float(quadratic.curvatures[-1])
    limit = descent.limit(curvature)
    if descent.learning_rate <= limit:
        return None
    n_steps = config.budget.n_steps or config.budget.n_epochs or 0
    path = quadratic.path(landscape.start, descent, n_steps=n_steps)
    first, last = landscape.heights(path[[0, -1]])
    end = (
        "the trial will be recorded as diverged"
        if not last <= first
        else "the other directions still shrink, so the trial is not recorded as diverged; with more steps it will be"
    )
    direction = ", ".join(f"{part:.3g}" for part in quadratic.directions[:, -1])
    return (
        f"optimizer.learning_rate={descent.learning_rate:g} lies above {limit:.4g}, the limit of "
        f"optimizer={config.optimizer.name} on model={config.model.name}: {_formula(descent)}, with λ = "
        f"{curvature:.4g} the largest eigenvalue of the Hessian. Along ({direction}) each step multiplies the "
        f"distance from the minimum by {descent.factor(curvature):.4g}. After {n_steps} steps the loss is "
        f"{last:.4g}, from {first:.4g} at the start: {end}."
    )


def fixed_descent(optimizer: OptimizerConfig) -> Descent | None:
    """Return an optimizer as gradient descent with a fixed rate; None for other rules, and for a searched rate.

    With clipping, weight decay or averages, an optimizer is another rule.

    Args:
        optimizer: The optimizer of a study's config.
    """
    plain = {"learning_rate", "momentum", "nesterov"}
    given = {name: value for name, value in optimizer.fixed.items() if value not in (None, False)}
    if optimizer.target != _SGD or plain & set(optimizer.ranges) or not {"learning_rate"} <= set(given) <= plain:
        return None
    numbers: dict[str, Any] = given
    return Descent(
        learning_rate=float(numbers["learning_rate"]),
        momentum=float(numbers.get("momentum", 0.0)),
        nesterov=bool(numbers.get("nesterov", False)),
    )


def as_quadratic(landscape: Landscape) -> Quadratic | None:
    """Return a landscape by its eigenvectors; None if it is not quadratic, or has no stationary point.

    Differences over the whole domain give the exact derivatives of a quadratic function. A grid of other points shows
    whether the landscape is quadratic.

    Args:
        landscape: The landscape.
    """
    n = landscape.n_dimensions
    middle, reach = landscape.domain.mean(axis=1), np.diff(landscape.domain, axis=1)[:, 0] / 2
    unit = np.diag(reach)

    def at(offset: NDArray[np.float64]) -> float:
        return float(landscape.heights(middle + offset))

    here = at(np.zeros(n))
    slope = np.array([(at(unit[i]) - at(-unit[i])) / (2 * reach[i]) for i in range(n)])
    hessian = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            around = at(unit[i] + unit[j]) - at(unit[i] - unit[j]) - at(unit[j] - unit[i]) + at(-unit[i] - unit[j])
            hessian[i, j] = around / (4 * reach[i] * reach[j])
    axes = np.meshgrid(*[np.linspace(-1, 1, 6) * part for part in reach], indexing="ij")
    grid = np.stack([axis.ravel() for axis in axes], axis=-1)
    parabola = here + grid @ slope + 0.5 * np.einsum("pi,ij,pj->p", grid, hessian, grid)
    heights = landscape.heights(middle + grid)
    if not np.allclose(parabola, heights, rtol=0, atol=_TOLERANCE * float(np.abs(heights).max())):
        return None
    to_center = np.linalg.lstsq(hessian, -slope, rcond=None)[0]
    if not np.allclose(hessian @ to_center, -slope, rtol=0, atol=_TOLERANCE * float(np.abs(slope).max(initial=1.0))):
        return None
    curvatures, directions = np.linalg.eigh(hessian)
    return Quadratic(curvatures=curvatures, directions=directions, center=middle + to_center)


def _formula(descent: Descent) -> str:
    if not descent.momentum:
        return "2/λ"
    return "2(1+β)/((1+2β)λ)" if descent.nesterov else "2(1+β)/λ"
