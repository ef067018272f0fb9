"""Arrays in memory, and their voxels in lanes."""

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from mrjax.jax_rules.native.building import INT
from mrjax.jax_rules.native.lanes import Complex, Lanes


class Leaf(NamedTuple):
    """An array in memory: without the axis of steps, and with the voxels last, or one entry for all of them."""

    shape: tuple[int, ...]
    of_voxels: bool
    is_complex: bool

    @classmethod
    def of(cls, aval: Any, n_voxels: int) -> "Leaf":
        return cls(tuple(aval.shape), bool(aval.shape) and aval.shape[-1] == n_voxels, aval.dtype.kind == "c")

    @property
    def rows(self) -> tuple[int, ...]:
        return self.shape[:-1] if self.shape else ()

    @property
    def n_rows(self) -> int:
        return int(np.prod(self.rows, dtype=int))

    @property
    def n_vectors(self) -> int:
        return self.n_rows * (2 if self.is_complex else 1)


class Memory:
    """Loads and stores of arrays in lanes."""

    def __init__(self, lanes: Lanes, builder: ir.IRBuilder, n_voxels: Any):
        self.lanes, self.builder, self.n_voxels = lanes, builder, n_voxels
        self.item = 8 if isinstance(lanes.scalar, ir.DoubleType) else 4

    def _address(self, base: Any, place: Any) -> Any:
        return self.builder.gep(base, [place], source_etype=self.lanes.scalar)

    def _place(self, leaf: Leaf, step: Any, row: int, block: Any) -> Any:
        b = self.builder
        at = b.add(b.mul(step, INT(leaf.n_rows)), INT(row)) if step is not None else INT(row)
        at = b.add(b.mul(at, self.n_voxels), block) if leaf.of_voxels else at
        return b.mul(at, INT(2)) if leaf.is_complex else at

    def load(self, leaf: Leaf, base: Any, block: Any, step: Any = None) -> np.ndarray:
        result = np.empty(leaf.rows, object)
        for row, place in enumerate(np.ndindex(*leaf.rows)):
            address = self._address(base, self._place(leaf, step, row, block))
            result[place] = self._vector(leaf, address) if leaf.of_voxels else self._same(leaf, address)
        return result

    def _vector(self, leaf: Leaf, address: Any) -> Any:
        if not leaf.is_complex:
            return self.builder.load(address, typ=self.lanes.vector, align=self.item)
        n = self.lanes.n_lanes
        both = self.builder.load(address, typ=ir.VectorType(self.lanes.scalar, 2 * n), align=self.item)
        pick = lambda first: self._shuffled(both, both, [first + 2 * i for i in range(n)])
        return Complex(pick(0), pick(1))

    def _same(self, leaf: Leaf, address: Any) -> Any:
        if not leaf.is_complex:
            return self._splat(self.builder.load(address, typ=self.lanes.scalar, align=self.item))
        second = self.builder.gep(address, [INT(1)], source_etype=self.lanes.scalar)
        parts = (self.builder.load(x, typ=self.lanes.scalar, align=self.item) for x in (address, second))
        return Complex(*map(self._splat, parts))

    def _splat(self, value: Any) -> Any:
        empty = ir.Constant(self.lanes.vector, ir.Undefined)
        first = self.builder.insert_element(empty, value, ir.IntType(32)(0))
        return self._shuffled(first, empty, [0] * self.lanes.n_lanes)

    def _shuffled(self, a: Any, b: Any, places: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
        return self.builder.shuffle_vector(a, b, mask)

    def store(self, leaf: Leaf, base: Any, values: np.ndarray, block: Any, step: Any = None) -> None:
        for row, place in enumerate(np.ndindex(*leaf.rows)):
            address = self._address(base, self._place(leaf, step, row, block))
            value = values[place]
            if leaf.is_complex:
                value, n = self.lanes.as_complex(value), self.lanes.n_lanes
                value = self._shuffled(value.real, value.imag, [i // 2 + n * (i % 2) for i in range(2 * n)])
            self.builder.store(value, address, align=self.item)

    def zeros(self, leaf: Leaf) -> np.ndarray:
        """Nothing, in lanes."""
        value = np.empty(leaf.rows, object)
        value.fill(self.lanes.constant(0.0))
        return value

    def add_partial(self, leaf: Leaf, base: Any, values: np.ndarray, step: Any = None) -> None:
        """Add to the sums over voxels, which have one entry for each lane, real parts before imaginary ones."""
        b, width = self.builder, INT(self.lanes.n_lanes)
        vectors = vectors_of(self.lanes, leaf, values)
        for i, value in enumerate(vectors):
            at = b.add(b.mul(step, INT(leaf.n_vectors)), INT(i)) if step is not None else INT(i)
            address = self._address(base, b.mul(at, width))
            before = b.load(address, typ=self.lanes.vector, align=self.item)
            b.store(self.lanes.add(before, value), address, align=self.item)


def vectors_of(lanes: Lanes, leaf: Leaf, values: np.ndarray) -> list:
    """The registers of an array in a row, real parts before imaginary ones."""
    flat = list(values.reshape(-1))
    if not leaf.is_complex:
        return flat
    flat = [lanes.as_complex(value) for value in flat]
    return [value.real for value in flat] + [value.imag for value in flat]


def from_vectors(leaf: Leaf, vectors: list) -> np.ndarray:
    """The inverse of `vectors_of`."""
    result = np.empty(leaf.n_rows, object)
    n = leaf.n_rows
    for i in range(n):
        result[i] = Complex(vectors[i], vectors[n + i]) if leaf.is_complex else vectors[i]
    return result.reshape(leaf.rows)


class Scratch:
    """Values of a loop in lanes, in memory of its own."""

    def __init__(self, memory: Memory, leaves: list[Leaf], base: Any, fixed: bool = False):
        self.memory, self.leaves, self.base = memory, leaves, base
        self.size = sum(leaf.n_vectors for leaf in leaves)
        # known once, so that it is seen which loads and stores share a place
        self.places = [self._place(None, i) for i in range(self.size)] if fixed else []

    def _place(self, at: Any, i: int) -> Any:
        b = self.memory.builder
        place = INT(i) if at is None else b.add(b.mul(at, INT(self.size)), INT(i))
        return b.gep(self.base, [place], source_etype=self.memory.lanes.vector)

    def address(self, at: Any, i: int) -> Any:
        """Where one register is kept, of those that are kept there at a step."""
        return self.places[i] if at is None and i < len(self.places) else self._place(at, i)

    def get(self, at: Any = None) -> list[np.ndarray]:
        b, lanes, i, result = self.memory.builder, self.memory.lanes, 0, []
        for leaf in self.leaves:
            vectors = [
                b.load(self.address(at, i + j), typ=lanes.vector, align=self.memory.item) for j in range(leaf.n_vectors)
            ]
            result.append(from_vectors(leaf, vectors))
            i += leaf.n_vectors
        return result

    def put(self, values: list[np.ndarray], at: Any = None) -> None:
        b, lanes, i, stores = self.memory.builder, self.memory.lanes, 0, []
        for leaf, value in zip(self.leaves, values, strict=True):
            for row, vector in enumerate(vectors_of(lanes, leaf, value)):
                stores.append((row, vector, self.address(at, i)))
                i += 1
        # row by row, because a step mixes the arrays of a row
        for _, vector, address in sorted(stores, key=lambda store: store[0]):
            b.store(vector, address, align=self.memory.item)

    def zero(self) -> None:
        self.put([self.memory.zeros(leaf) for leaf in self.leaves])
