"""Everything by which mrjax reaches below the functions that JAX documents for its users, with one switch to turn it off.

Each module says why it exists, and which issue of JAX it answers; `docs/jax_edges.md` lists them. With `MRJAX_PLAIN_JAX=1` in
the environment when mrjax is imported, their functions come from `plain.py` instead, and the modules that need more than plain
JAX are not even imported. Nothing here knows of magnetic resonance, and all other rooms may use it; they import from here,
so that the switch is read in one place.
"""

import os

from mrjax.jax_rules.batching import common_count as common_count
from mrjax.jax_rules.derivatives import by_jacobian as by_jacobian
from mrjax.jax_rules.devices import available_cores as available_cores, on_one_cpu_device as on_one_cpu_device

PLAIN_JAX = os.environ.get("MRJAX_PLAIN_JAX", "0") not in ("", "0")
"""Whether the switch is on."""

if PLAIN_JAX:
    from mrjax.jax_rules.plain import (
        as_one_kernel as as_one_kernel,
        computed_once as computed_once,
        counted_scan as counted_scan,
        in_float64_on_cpu as in_float64_on_cpu,
        linear_pair as linear_pair,
        loops_are_marked as loops_are_marked,
        loops_are_native as loops_are_native,
        nan_where_it_does_not_hold as nan_where_it_does_not_hold,
        operation as operation,
        required as required,
        scan_by_adjoint as scan_by_adjoint,
        unless_linearized as unless_linearized,
    )
else:
    from mrjax.jax_rules.adjoint_loops import scan_by_adjoint as scan_by_adjoint
    from mrjax.jax_rules.counted_loops import counted_scan as counted_scan
    from mrjax.jax_rules.double_precision import in_float64_on_cpu as in_float64_on_cpu
    from mrjax.jax_rules.linear_operations import linear_pair as linear_pair
    from mrjax.jax_rules.linearization import unless_linearized as unless_linearized
    from mrjax.jax_rules.one_kernel import (
        as_one_kernel as as_one_kernel,
        computed_once as computed_once,
        loops_are_marked as loops_are_marked,
        loops_are_native as loops_are_native,
    )
    from mrjax.jax_rules.operations import operation as operation
    from mrjax.jax_rules.requirements import (
        nan_where_it_does_not_hold as nan_where_it_does_not_hold,
        required as required,
    )
