"""Compile functions for trials that run side by side, and divide the trials among the local devices."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import Any, ClassVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from study.core.machine import cache_folder
from study.core.machine_limits import is_out_of_memory

# Layouts of an array on the devices: each device has its share of the lanes, along the first or the second axis; or
# each device has the whole array.
LANES, LANES_SECOND, EVERYWHERE = PartitionSpec("lanes"), PartitionSpec(None, "lanes"), PartitionSpec()

# Options of XLA for functions that run only briefly, such as drawing initial weights. With level 1 they compile in a
# quarter of the processor time and run 1.5 times as long, and the weights are the same bit by bit. With level 0 the
# weights differ.
_QUICKLY = {"cpu": {"xla_backend_optimization_level": 1}}


class NoRoomError(Exception):
    """Raised if a program does not fit into the device's memory.

    Args:
        n_lanes: Number of lanes that may fit. Also an attribute.
    """

    def __init__(self, n_lanes: int) -> None:
        super().__init__(f"{n_lanes} trials at once may fit")
        self.n_lanes = n_lanes


def mesh(n_devices: int) -> Mesh:
    """Return the first local devices, among which the lanes are divided.

    Args:
        n_devices: Number of devices.
    """
    return Mesh(np.asarray(jax.local_devices()[:n_devices]), ("lanes",))


def everywhere(array: Any, n_devices: int) -> Any:
    """Put a whole array on each of the first local devices.

    Args:
        array: The array.
        n_devices: Number of devices.
    """
    return jax.device_put(array, NamedSharding(mesh(n_devices), EVERYWHERE))


class Compiler:
    """Compiler of functions of one device's lanes, which it calls on all devices.

    Args:
        n_lanes: Number of trials side by side, on all devices together.
        n_devices: Number of devices that share the lanes equally.
        max_bytes: Largest memory that a call may take on a device, in bytes; None: the device itself refuses.

    Attributes:
        n_lanes: Number of trials side by side, on all devices together.
        seconds: Time that callers of all compilers have waited for tracing and compiling so far, in seconds.
        bytes_at_once: Largest memory that one call has needed on a device, in bytes.
    """

    seconds: ClassVar = 0.0

    def __init__(self, *, n_lanes: int, n_devices: int, max_bytes: float | None) -> None:
        self.bytes_at_once = 0
        self.n_lanes, self._max_bytes = n_lanes, max_bytes
        self._mesh = mesh(n_devices)
        self._waiting: dict[Any, Future[Any]] = {}
        self._ready: dict[Any, Any] = {}
        self._returned: dict[Any, Any] = {}  # shapes and types of a function's results
        self._is_ahead = False
        self._pool = ThreadPoolExecutor(max_workers=2)

    @property
    def is_new(self) -> bool:
        """True until the first function is compiled."""
        return not self._returned

    @property
    def is_ahead(self) -> bool:
        """True in a block of `ahead`: a call returns shapes and types alone, and takes them as arguments."""
        return self._is_ahead

    def place(self, by_lane: Any) -> Any:
        """Put an array on the devices.

        Args:
            by_lane: The array, shape (n_lanes, ...).
        """
        return jax.device_put(by_lane, NamedSharding(self._mesh, LANES))

    @contextlib.contextmanager
    def ahead(self) -> Iterator[None]:
        """Let calls in the block only trace their functions, and let threads compile these."""
        self._is_ahead = True
        try:
            yield
        finally:
            self._is_ahead = False

    def call(
        self,
        key: Any,
        function: Callable[..., Any],
        *arguments: Any,
        specs: tuple[PartitionSpec, ...],
        out_specs: Any = LANES,
        donate: tuple[int, ...] = (),
        optimize: bool = True,
    ) -> Any:
        """Call a function of local lanes on every device; its first call compiles it.

        Args:
            key: Name of the function. Each call with this name has the same function and arguments of the same shapes.
            function: The function.
            arguments: Its arguments, pytrees of arrays.
            *arguments: The function's arguments, pytrees of arrays.
            specs: The layout of each argument on the devices.
            out_specs: The layout of the returned values. Default: each device has its share of the lanes, the first
                axis.
            donate: Indices of the arguments whose memory the function may reuse. Default: none.
            optimize: Let a CPU's compiler optimize fully; False for a function that runs only briefly. Default True.

        Raises:
            NoRoomError: The function needs more memory than there is.
        """
        try:
            if key not in self._returned:
                self._start_compiling(
                    key, function, arguments, specs=specs, out_specs=out_specs, donate=donate, optimize=optimize
                )
            if self._is_ahead:
                return self._returned[key]
            if key in self._waiting:
                self._finish_compiling(key)
            return self._ready[key](*arguments)
        except (jax.errors.JaxRuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or self.n_lanes == 1:
                raise
            raise NoRoomError(self.n_lanes // 2) from error

    def forget(self) -> None:
        """Free the memory of the compiled functions."""
        for known in (self._ready, self._waiting, self._returned):
            known.clear()

    def _start_compiling(
        self,
        key: Any,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        *,
        specs: tuple[PartitionSpec, ...],
        out_specs: Any,
        donate: tuple[int, ...],
        optimize: bool,
    ) -> None:
        """Trace a function here, and let a thread compile it."""
        began = perf_counter()
        local = jax.shard_map(function, mesh=self._mesh, in_specs=specs, out_specs=out_specs, check_vma=False)
        shardings = tuple(NamedSharding(self._mesh, spec) for spec in specs)
        lowered = jax.jit(local, in_shardings=shardings, donate_argnums=donate).lower(*arguments)
        self._returned[key] = jax.tree.map(lambda out: jax.ShapeDtypeStruct(out.shape, out.dtype), lowered.out_info)
        options = None if optimize else _QUICKLY.get(jax.default_backend())
        self._waiting[key] = self._pool.submit(lowered.compile, options)
        Compiler.seconds += perf_counter() - began

    def _finish_compiling(self, key: Any) -> None:
        """Wait for the compiled function, and check that it fits into the memory."""
        began = perf_counter()
        self._ready[key] = self._waiting.pop(key).result()
        Compiler.seconds += perf_counter() - began
        self._check_room(_bytes_of(self._ready[key]))

    def _check_room(self, needed: int) -> None:
        self.bytes_at_once = max(self.bytes_at_once, needed)
        if self._max_bytes is not None and needed > self._max_bytes and self.n_lanes > 1:
            raise NoRoomError(max(1, min(self.n_lanes - 1, int(self.n_lanes * self._max_bytes / needed))))


class Clock:
    """Clock that counts the time spent waiting for a compiler separately.

    Attributes:
        compiling: Time spent waiting for a compiler, in seconds.
    """

    def __init__(self) -> None:
        self.compiling = 0.0
        self._last = perf_counter(), Compiler.seconds

    def split(self) -> float:
        """Return the time since the last call in seconds, without the time spent waiting for a compiler."""
        (last, compiled), self._last = self._last, (perf_counter(), Compiler.seconds)
        compiling = self._last[1] - compiled
        self.compiling += compiling
        return self._last[0] - last - compiling


def keep_compiled_programs() -> None:
    """Let JAX save compiled programs for later processes, in the user's cache folder unless JAX has another one."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)


def _bytes_of(compiled: Any) -> int:
    """Return the memory that a compiled function takes on a device, in bytes; 0 if the platform does not report it."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return 0
    taken = analysis.argument_size_in_bytes + analysis.output_size_in_bytes + analysis.temp_size_in_bytes
    return int(taken - analysis.alias_size_in_bytes)
