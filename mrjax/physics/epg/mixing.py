"""What happens to configuration states between two windings, composed before it is applied.

Pulses, relaxation and spoilers treat every order alike: they mix its three components by one matrix, and order zero gains
what recovers. Such maps compose voxel by voxel, at the price of one order; the orders themselves are then touched once for
each winding, however many events lie between.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from mrjax.jax_rules import computed_once
from mrjax.physics.maths.sums import sum_of_given

Orders = Inexact[Array, "k voxel"]
Components = tuple[Orders, Orders, Orders]
"""The states `plus`, `minus` and `z` of every order."""

Coefficient = Inexact[Array, "#voxel"] | None
"""One number for each voxel or for all; None for zero."""

Factor = Inexact[Array, "..."] | None
"""A coefficient or all orders of a component; None for zero."""


class Mixing(eqx.Module):
    r"""The affine map of one order of $(F^+, F^{-*}, Z)$.

    $$F^+ \to a F^+ + b F^{-*} + c Z + \delta_{k0}\, g, \qquad Z \to d F^+ + d^* F^{-*} + e Z + \delta_{k0}\, h$$

    with $a$ = `stay`, $b$ = `swap`, $c$ = `tip`, $d$ = `untip`, $e$ = `keep`, $g$ = `tipped`, $h$ = `recovered`; the row of
    $F^{-*}$ is that of $F^+$ conjugated, with $F^+$ and $F^{-*}$ exchanged.
    """

    stay: Coefficient = None
    swap: Coefficient = None
    tip: Coefficient = None
    untip: Coefficient = None
    keep: Float[Array, "#voxel"] | None = None
    tipped: Coefficient = None
    recovered: Float[Array, "#voxel"] | None = None

    def after(self, earlier: "Mixing | None") -> "Mixing":
        """`earlier`, then this."""
        if earlier is None:
            return self
        first, untip = earlier, self.untip
        return Mixing(
            stay=_sum((self.stay, first.stay), (self.swap, _conj(first.swap)), (self.tip, first.untip)),
            swap=_sum((self.stay, first.swap), (self.swap, _conj(first.stay)), (self.tip, _conj(first.untip))),
            tip=_sum((self.stay, first.tip), (self.swap, _conj(first.tip)), (self.tip, first.keep)),
            untip=_sum((untip, first.stay), (_conj(untip), _conj(first.swap)), (self.keep, first.untip)),
            keep=sum_of_given(_twice_real(untip, first.tip), _times(self.keep, first.keep)),
            tipped=sum_of_given(
                _sum((self.stay, first.tipped), (self.swap, _conj(first.tipped)), (self.tip, first.recovered)),
                self.tipped,
            ),
            recovered=sum_of_given(
                sum_of_given(_twice_real(untip, first.tipped), _times(self.keep, first.recovered)), self.recovered
            ),
        )

    def plus_of_order(self, components: Components, order: int) -> Inexact[Array, " voxel"]:
        """$F^+$ of one order after this mixing."""
        plus, minus, z = (orders[order] for orders in components)
        gained = self.tipped if order % len(components[0]) == 0 else None
        mixed = sum_of_given(_sum((self.stay, plus), (self.swap, minus), (self.tip, z)), gained)
        return jnp.zeros_like(plus) if mixed is None else jnp.broadcast_to(mixed, plus.shape).astype(plus.dtype)

    def z_of_order(self, components: Components, order: int) -> Inexact[Array, " voxel"]:
        """$Z$ of one order after this mixing."""
        plus, minus, z = (orders[order] for orders in components)
        gained = self.recovered if order % len(components[0]) == 0 else None
        mixed = sum_of_given(_sum((self.untip, plus), (_conj(self.untip), minus), (self.keep, z)), gained)
        return jnp.zeros_like(z) if mixed is None else jnp.broadcast_to(mixed, z.shape).astype(z.dtype)


def mixed(components: Components, mixing: Mixing) -> Components:
    """Every order mixed."""
    plus, minus, z = components
    row = lambda coefficient: None if coefficient is None else coefficient[None]
    m = jax.tree.map(row, mixing)
    transverse = _sum((m.stay, plus), (m.swap, minus), (m.tip, z))
    conjugate = _sum((_conj(m.stay), minus), (_conj(m.swap), plus), (_conj(m.tip), z))
    longitudinal = _sum((m.untip, plus), (_conj(m.untip), minus), (m.keep, z))
    return (
        _gaining(transverse, m.tipped, plus),
        _gaining(conjugate, _conj(m.tipped), minus),
        _gaining(longitudinal, m.recovered, z),
    )


def wound(components: Components) -> Components:
    """One cycle of dephasing: every transverse order grows by one, and the highest is dropped."""
    plus, minus, z = components
    lowered = shifted(minus, -1)
    return jax.lax.dynamic_update_slice(shifted(plus, 1), jnp.conj(lowered[:1]), (0, 0)), lowered, z


def wound_at_once(components: Components, by: int) -> Components:
    """As `wound`, by any number of orders."""
    plus, minus, z = components
    n = len(z)
    reached = jnp.pad(minus, [(0, max(0, by + 1 - n)), (0, 0)])
    lowered = jnp.pad(minus[by:], [(0, n - len(minus[by:])), (0, 0)])
    return jnp.concatenate([jnp.conj(reached[by:0:-1]), plus])[:n], lowered, z


@computed_once
def mixed_and_wound(components: Components, mixing: Mixing | None) -> Components:
    """The hot step: mix, then wind by one cycle."""
    return wound(components if mixing is None else mixed(components, mixing))


def shifted(orders: Orders, by: int) -> Orders:
    """Every order moved up by `by`, with zeros behind."""
    # pad, not concatenate or roll: several times faster on CPU
    return jax.lax.pad(orders, jnp.zeros((), orders.dtype), [(by, -by, 0), (0, 0, 0)])


def _gaining(orders: Orders | None, gain: Factor, like: Orders) -> Orders:
    """`orders` with `gain` added to order zero."""
    orders = jnp.zeros_like(like) if orders is None else orders
    if gain is None:
        return orders
    # written over, not added as a padded array, which XLA would evaluate for every order
    return jax.lax.dynamic_update_slice(orders, (orders[:1] + gain).astype(orders.dtype), (0, 0))


def _sum(*products: tuple[Factor, Factor]) -> Factor:
    return sum_of_given(*(_times(left, right) for left, right in products))


def _times(left: Factor, right: Factor) -> Factor:
    return None if left is None or right is None else left * right


def _twice_real(left: Factor, right: Factor) -> Factor:
    product = _times(left, right)
    return None if product is None else 2 * jnp.real(product)


def _conj(coefficient: Factor) -> Factor:
    return None if coefficient is None else jnp.conj(coefficient)
