"""Sums over a piece of a row in vectors of 64 bytes, told to LLVM in its own terms.

A row of 100 floats is seven vectors of 16 lanes. The loops that LLVM makes of plain
Python take as long for the four entries that fill no vector as for the others. Here the
last vector is loaded under a mask, which is one instruction, and numbers are counted in
the bits of a comparison. Where a processor has smaller vectors, LLVM divides them.

Each function is plain Python for the interpreter; kernels get what `overload` returns.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from ._compile import FINITE, INNER, SUM


def add_magnitudes(Y, i, start, stop):
    """Sum of the magnitudes of a piece of a row."""
    return np.float64(abs(Y[i, start:stop]).sum())


def add_above(Y, i, start, stop, level, base):
    """Sum, over a base, and number of the entries of a piece of a row above a level.

    The third is the distance from the level to the nearest entry, or less: at most the
    level. All are float64. The entries must be finite.
    """
    entry = abs(Y[i, start:stop])
    part, number = (entry - base)[entry > level].sum(), (entry > level).sum()
    nearest = abs(entry - level).min(initial=level)
    return np.float64(part), np.float64(number), np.float64(nearest)


@overload(add_magnitudes, jit_options=INNER)
def _add_magnitudes(Y, i, start, stop):
    return lambda Y, i, start, stop: sum_of_piece(
        Y, np.intp(i), np.intp(start), np.intp(stop)
    )


@overload(add_above, jit_options=INNER)
def _add_above(Y, i, start, stop, level, base):
    return lambda Y, i, start, stop, level, base: above_in_piece(
        Y, np.intp(i), np.intp(start), np.intp(stop), level, base
    )


@intrinsic
def sum_of_piece(_, Y, i, start, stop):
    """Build add_magnitudes."""

    def build(context, builder, signature, given):
        to = Lanes(context, builder, Y.dtype)
        total = cgutils.alloca_once_value(builder, to.zeros)
        for magnitudes in to.each_vector(Y, *given):
            new = builder.fadd(builder.load(total), magnitudes, flags=list(SUM))
            builder.store(new, total)
        return to.sum(builder.load(total), SUM)

    return types.float64(Y, i, start, stop), build


@intrinsic
def above_in_piece(_, Y, i, start, stop, level, base):
    """Build add_above."""
    result = types.UniTuple(types.float64, 3)

    def build(context, builder, signature, given):
        to, none = Lanes(context, builder, Y.dtype), ir.Constant(ir.IntType(32), 0)
        level, base = to.spread(given[4]), to.spread(given[5])
        part = cgutils.alloca_once_value(builder, to.zeros)
        number = cgutils.alloca_once_value(builder, none)
        nearest = cgutils.alloca_once_value(builder, to.bits(level))
        for magnitudes in to.each_vector(Y, *given[:4]):
            above = builder.fcmp_ordered(">", magnitudes, level)
            over = builder.fsub(magnitudes, base)
            over = builder.select(above, over, to.zeros)
            over = builder.fadd(builder.load(part), over, flags=list(FINITE))
            builder.store(over, part)
            count = builder.ctpop(to.mask(above))
            builder.store(builder.add(builder.load(number), count), number)
            # Floats >= 0 have the order of their bits: see `bits` in _compile.py.
            distance = to.bits(to.magnitude(builder.fsub(magnitudes, level)))
            least = builder.load(nearest)
            closer = builder.icmp_unsigned("<", distance, least)
            builder.store(builder.select(closer, distance, least), nearest)
        found = (
            to.sum(builder.load(part), FINITE),
            builder.uitofp(builder.load(number), ir.DoubleType()),
            to.least(builder.load(nearest)),
        )
        return context.make_tuple(builder, result, found)

    return result(Y, i, start, stop, level, base), build


class Lanes:
    """Builds code for vectors of as many entries of a dtype as fill 64 bytes."""

    def __init__(self, context, builder, dtype):
        self.context, self.builder, self.width = context, builder, dtype.bitwidth
        self.number = 512 // self.width
        self.real, self.whole = context.get_value_type(dtype), ir.IntType(self.width)
        self.reals = ir.VectorType(self.real, self.number)
        self.wholes = ir.VectorType(self.whole, self.number)
        self.zeros = ir.Constant(self.reals, [0.0] * self.number)

    def each_vector(self, Y, row, i, start, stop):
        """Yield, inside a loop and then once, the magnitudes of a piece of row i.

        Lanes of the last vector for which no entry is left are 0.
        """
        builder, none = self.builder, ir.Constant(start.type, 0)
        matrix = self.context.make_array(Y)(self.context, builder, row)
        first = builder.mul(i, builder.extract_value(matrix.shape, 1))
        piece = builder.gep(matrix.data, [builder.add(first, start)])
        length = builder.sub(stop, start)
        rest = builder.and_(length, ir.Constant(length.type, self.number - 1))
        full, step = builder.sub(length, rest), ir.Constant(length.type, self.number)
        with cgutils.for_range_slice(builder, none, full, step) as (at, _):
            vector = builder.load(self._place(piece, at), align=self.width // 8)
            yield self.magnitude(vector)
        with builder.if_then(builder.icmp_signed("!=", rest, none)):
            yield self.magnitude(self._first(rest, self._place(piece, full)))

    def _place(self, piece, at):
        here = self.builder.gep(piece, [at])
        return self.builder.bitcast(here, self.reals.as_pointer())

    def _first(self, rest, place):
        rest = self.builder.trunc(rest, ir.IntType(32))
        places = ir.VectorType(rest.type, self.number)
        there = self.builder.icmp_signed(
            ">", self.spread(rest), ir.Constant(places, list(range(self.number)))
        )
        align = ir.Constant(rest.type, self.width // 8)
        name = f"masked.load.v{self.number}f{self.width}.p0"
        return self._call(name, self.reals, place, align, there, self.zeros)

    def magnitude(self, reals):
        """Clear the signs."""
        signless = [2 ** (self.width - 1) - 1] * self.number
        magnitude = self.builder.and_(
            self.bits(reals), ir.Constant(self.wholes, signless)
        )
        return self.builder.bitcast(magnitude, self.reals)

    def bits(self, reals):
        """Read floats as integers."""
        return self.builder.bitcast(reals, self.wholes)

    def mask(self, compared):
        """Give the lanes of a comparison as the bits of one number."""
        lanes = self.builder.bitcast(compared, ir.IntType(self.number))
        return self.builder.zext(lanes, ir.IntType(32))

    def spread(self, x):
        """Give a vector whose lanes are all x."""
        kind, index = ir.VectorType(x.type, self.number), ir.IntType(32)
        nothing = ir.Constant(kind, ir.Undefined)
        lane = self.builder.insert_element(nothing, x, ir.Constant(index, 0))
        zeros = ir.Constant(ir.VectorType(index, self.number), [0] * self.number)
        return self.builder.shuffle_vector(lane, nothing, zeros)

    def sum(self, reals, flags):
        """Add up the lanes, as float64."""
        name = f"vector.reduce.fadd.v{self.number}f{self.width}"
        zero = ir.Constant(self.real, 0.0)
        total = self._call(name, self.real, zero, reals, fastmath=list(flags))
        return self._wide(total)

    def least(self, wholes):
        """Give the least of the lanes, as float64 with these bits."""
        name = f"vector.reduce.umin.v{self.number}i{self.width}"
        least = self._call(name, self.whole, wholes)
        return self._wide(self.builder.bitcast(least, self.real))

    def _wide(self, x):
        return self.builder.fpext(x, ir.DoubleType()) if self.width == 32 else x

    def _call(self, name, result, *given, **options):
        kind = ir.FunctionType(result, [each.type for each in given])
        name = f"llvm.{name}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, given, **options)
