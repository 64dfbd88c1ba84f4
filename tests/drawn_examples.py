"""Settings of the property-based tests: the same examples in every run, and no limit of the time of one."""

from hypothesis import HealthCheck, settings

QUICKLY = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
