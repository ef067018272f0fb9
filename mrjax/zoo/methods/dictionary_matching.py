"""Dictionary matching, done right: the reference that every network has to beat.

The published row of BlochNet's tables is an indexing error: its dictionary answered with two flip angles of the schedule,
(6.41, 6.88), for every voxel.
"""

from mrjax.inverse import Dictionary
from mrjax.units import ms
from mrjax.zoo import fingerprints
from mrjax.zoo.fingerprints import EVALUATION, Estimate, FingerprintConfig
from mrjax.zoo.fingerprints.data import grid
from mrjax.zoo.system import Method

OFFSET = 1 * ms
"""First value of the grids of T1 and T2, which go on in steps of 10 ms: 80,100 atoms."""


def estimator(config: FingerprintConfig) -> Estimate:
    """The best of 80,100 atoms, simulated for the schedule that is tested.

    **Arguments:**

    - `config`: Number of repetitions and of states.

    **Returns:** a function from fingerprints `(voxel, n)` to `t1` and `t2` in s; its error is that of the grid, 10 ms.
    """
    dictionary = _dictionary(config)
    return lambda signal: dictionary.match(signal).parameters


def _dictionary(config: FingerprintConfig) -> Dictionary:
    decoder = fingerprints.fisp_decoder(config)
    atoms = grid(OFFSET).all()
    return Dictionary(atoms, fingerprints.simulated(decoder, atoms))


METHOD = Method("dictionary_matching", FingerprintConfig(), estimator, EVALUATION)
