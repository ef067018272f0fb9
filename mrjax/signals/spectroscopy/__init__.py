"""Spectra of coupled spins: free induction decays from the density matrix, and what becomes of them.

`SpinSystem` holds chemical shifts in ppm and couplings in Hz; the experiments (`pulse_acquire`, `spin_echo`, `press`, `steam`,
`mega_press`) give its free induction decay without relaxation, and `basis` those of several metabolites.
`mrjax.signals.models.Spectrum` fits them to what was measured.

Pulses are ideal: instantaneous, uniform, and of all frequencies, but for the editing pulses of MEGA-PRESS. Coherence pathways
are selected exactly, as by gradients that wind every other one completely. A chemical shift above the reference turns the
signal by a positive frequency, $e^{2 \\pi i f t}$, as an off-resonance does everywhere in the package. One proton has the
signal 1.
"""

from .density_matrix import (
    equilibrium as equilibrium,
    evolved as evolved,
    free_induction_decay as free_induction_decay,
    hamiltonian as hamiltonian,
    of_order as of_order,
    rotated as rotated,
)
from .experiments import (
    mega_press as mega_press,
    press as press,
    pulse_acquire as pulse_acquire,
    spin_echo as spin_echo,
    steam as steam,
)
from .spectra import basis as basis, chemical_shifts as chemical_shifts, spectrum as spectrum
from .spin_system import SpinSystem as SpinSystem
