"""How the kernels are compiled: once for each dtype, and kept in numba's cache."""

import warnings
from functools import cache, update_wrapper
from hashlib import sha256
from pkgutil import get_data

import numba
import numpy as np
from numba import types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.extending import overload, typeof_impl

# Sums may be reordered, which vectorises them. NaN may occur.
SUM = {"reassoc", "nsz", "contract"}
# The same where every entry is known to be finite.
FINITE = SUM | {"nnan"}
# Only a few kernels make arrays: the others do not count references. What only
# kernels call needs no wrapper for other callers. What each of these options, which
# numba hardly documents, is worth: `benchmarks/bench_projection.py --options`.
OPTIONS = {"error_model": "numpy", "_nrt": False}
INNER = OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
FILES = (
    "_compile.py",
    "_lanes.py",
    "_members.py",
    "_levels.py",
    "_rows.py",
    "_columns.py",
    "_driver.py",
    "_shrink.py",
)


# Copies a function into the only kernel that calls it, before anything is compiled.
inlined = numba.njit(inline="always")


class Kernel:
    """A function that is compiled into the kernels that call it, and alone for Python.

    The latter at the first call from Python, from where on numba's cache keeps it;
    where no directory can be written it is compiled in memory.
    """

    def __init__(self, function, options):
        update_wrapper(self, function)
        self.inner = numba.njit(**(INNER | options))(function)
        self.options = options
        self.outer = function if numba.config.DISABLE_JIT else None

    def __call__(self, *arguments):
        """Run the compiled function."""
        if self.outer is None:
            self.outer = self._compile()
        return self.outer(*arguments)

    def _compile(self):
        function = self.__wrapped__
        dispatcher = numba.njit(nogil=True, **(OPTIONS | self.options))(function)
        try:
            dispatcher._cache = Cache(function)  # what njit(cache=True) does
        except RuntimeError:
            warn_of_no_cache()
        return dispatcher


@typeof_impl.register(Kernel)
def _type_of_kernel(kernel, _):
    return types.Dispatcher(kernel.inner)


def kernel(**options):
    """Make a function a kernel, with options of numba.njit."""
    return lambda function: Kernel(function, options)


@cache  # one warning a process
def warn_of_no_cache():
    """Warn that each process compiles anew."""
    warnings.warn(
        "The projection is compiled in memory, in every process anew: numba finds no "
        "directory to keep it in. Set NUMBA_CACHE_DIR to one that can be written.",
        RuntimeWarning,
        stacklevel=2,
    )


class Cache(FunctionCache):
    """numba's cache, with three faults mended.

    A file that can't be read or written is no error. Every signature has files of its
    own: processes that compile two at the same time would take one another's. A
    change in any file of the kernels counts, not only in that of the function.
    """

    def load_overload(self, sig, target_context):
        """Load a compiled function; None if there is none or if it is damaged."""
        self._choose_file(sig)
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # damaged bytes may raise anything
            return None

    def save_overload(self, sig, data):
        """Save a compiled function where that is possible."""
        self._choose_file(sig)
        try:
            self.flush()  # a damaged index could not be read
            super().save_overload(sig, data)
        except OSError:
            warn_of_no_cache()

    def _choose_file(self, sig):
        name = sha256(f"{sig} {source_digest()}".encode()).hexdigest()[:16]
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=f"{self._impl.filename_base}.{name}",
            source_stamp=self._impl.locator.get_source_stamp(),
        )


@cache
def source_digest():
    """Give a digest of the source of all kernels."""
    try:
        return sha256(b"".join(get_data(__package__, name) for name in FILES)).digest()
    except OSError:  # installed without source, where numba does not cache either
        return b""


def bits(x):
    """Give the bits of floats as integers; for numbers >= 0 both have the same order.

    Largest and smallest integers are found in vectors, those of floats are not.
    """
    return x.view(f"i{x.dtype.itemsize}")


def floats(x):
    """Give the floats whose bits are x: the inverse of `bits`."""
    return x.view(f"f{x.dtype.itemsize}")


@overload(bits, jit_options=INNER)
def _bits(x):
    if x == types.float32:
        return lambda x: np.float32(x).view(np.int32)
    return lambda x: np.float64(x).view(np.int64)


@overload(floats, jit_options=INNER)
def _floats(x):
    if x == types.int32:
        return lambda x: np.int32(x).view(np.float32)
    return lambda x: np.int64(x).view(np.float64)
