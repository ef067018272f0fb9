"""Events that the package does not know: all that handles events works with what they declare, or refuses with a sentence."""

from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

import mrjax as mr
from mrjax import _checks
from mrjax.sequence import AbstractChannelEvent, AbstractEvent, AbstractIdealEvent, AbstractInstant, AbstractRF
from mrjax.sequence.base import checked_now, non_negative_duration, replace_checked
from mrjax.sequence.precision import held
from mrjax.sequence.rf import CARRIER
from mrjax.sequence.steps import Steps, no_steps, resting
from mrjax.units import deg, ms, mT, us

N = 40


class HannPulse(AbstractRF):
    """A pulse of which the peak and the duration are leaves, and no samples."""

    units = MappingProxyType({"peak": (1e6, "uT"), "duration": (1e3, "ms")} | CARRIER)
    plausible = MappingProxyType({"peak": "rf"})

    peak: Float[Array, "..."]
    duration: Float[Array, "..."]

    def __init__(self, peak, duration, offset=0.0, phase=0.0):
        super().__init__(offset, phase)
        self.peak = _checks.real_array(peak, "peak")
        self.duration = _checks.real_array(duration, "duration")
        checked_now(self)

    @property
    def dt(self):
        return held(self.duration) / N

    @property
    def b1_samples(self):
        return held(self.peak)[..., None] * np.hanning(N + 2)[1:-1].astype(self.peak.dtype)

    def checked(self, where):
        return self.checked_with(where, peak=_checks.finite, duration=non_negative_duration)


class Inversion(AbstractInstant):
    """An instantaneous pulse by its efficiency."""

    units = MappingProxyType({"efficiency": (100.0, "%")})
    instead = "an adiabatic pulse"
    symbol = "pulse"

    efficiency: Float[Array, "..."]

    def __init__(self, efficiency):
        self.efficiency = _checks.real_array(efficiency, "efficiency")
        checked_now(self)

    phase = 0.0

    @property
    def flip_angle(self):
        return np.arccos(1 - 2 * self.efficiency)

    def steps(self) -> Steps:
        return resting(jnp.zeros(1)) | {"flip": jnp.arccos(1 - 2 * self.efficiency)[None] + 0j}

    def checked(self, where):
        return replace_checked(self, where, efficiency=_checks.finite)


class Shim(AbstractChannelEvent):
    """A channel of which nobody else knows."""

    units = MappingProxyType({"duration": (1e3, "ms")})
    channel = "gradient"

    duration: Float[Array, "..."]

    def __init__(self, duration):
        self.duration = _checks.real_array(duration, "duration")

    def edges(self):
        return jnp.stack([jnp.zeros(()), self.duration])

    def added_to(self, steps, passed, begin, end):
        return steps


class Trigger(AbstractEvent):
    """An event of no kind."""

    units = MappingProxyType({})

    @property
    def duration(self):
        return 0.0

    def steps(self):
        return no_steps()


def as_shaped(pulse: HannPulse) -> mr.ShapedPulse:
    return mr.ShapedPulse(pulse.b1_samples, pulse.dt, pulse.offset, pulse.phase)


def scan(pulse) -> mr.Sequence:
    gradient = mr.Gradient.trapezoid(5 * mT, rise=100 * us, flat=2 * ms, axis="z")
    excitation = mr.Together(mr.Sequence(mr.Delay(100 * us), pulse, mr.Delay(100 * us)), gradient)
    rewinder = mr.Gradient.trapezoid(-5 * mT, rise=100 * us, flat=0.95 * ms, axis="z")
    train = mr.Repeat(excitation, rewinder, mr.Delay(2.85 * ms), n_repetitions=2)
    return mr.Sequence(train, mr.Delay(1 * ms), mr.Readout(8, dwell=100 * us))


PULSE = HannPulse(8e-6, 2 * ms, offset=50.0, phase=0.3)
OWN, SHAPED = scan(PULSE), scan(as_shaped(PULSE))


@pytest.mark.exhaustive
def test_a_new_shape_of_rf_has_the_timeline_of_its_samples():
    own, shaped = OWN.timeline(), SHAPED.timeline()
    assert own.b1.any()
    for name in ("duration", "b1", "rf_offset", "gradient", "rf_step", "rf_into", "rf_turns"):
        np.testing.assert_allclose(getattr(own, name), getattr(shaped, name), rtol=1e-6, atol=1e-12, err_msg=name)
    assert float(OWN.duration) == pytest.approx(float(SHAPED.duration), rel=1e-7)


def test_a_new_shape_of_rf_is_printed_and_warned_of():
    assert "HannPulse peak 8 uT, duration 2 ms, offset 50 Hz" in str(OWN)
    with pytest.warns(mr.PlausibilityWarning, match="`peak` is in T"):
        HannPulse(8.0, 2 * ms)


def test_a_new_shape_of_rf_is_checked_against_a_scanner():
    weak = mr.Scanner(max_b1=5e-6, rf_ringdown=0.0, max_slew=np.inf, max_gradient=np.inf)
    breaches = weak.breaches(OWN)
    assert [text.replace("HannPulse", "ShapedPulse") for text in breaches] == weak.breaches(SHAPED)
    assert any("exceeds max_b1" in text for text in breaches)


def test_a_new_shape_of_rf_is_written_to_pulseq():
    own, shaped = mr.pulseq.from_sequence(OWN), mr.pulseq.from_sequence(SHAPED)
    assert len(own.rf) == 1
    (own_rf,), (shaped_rf,) = own.rf.values(), shaped.rf.values()
    assert own_rf == shaped_rf
    assert own.blocks == shaped.blocks


def test_a_new_shape_of_rf_is_drawn():
    rows = [label.get_text() for label in mr.plot.sequence_diagram(OWN).get_yticklabels()]
    assert rows == ["RF amplitude", "RF phase", "Gx", "Gy", "Gz", "ADC"]


ENGINES = {
    "isochromats": mr.Isochromats(),
    "bloch_mcconnell": mr.BlochMcConnell(b0=3.0),
    "epg": mr.EPG(n_states=3, voxel_size=1e-3),
    "ode": mr.BlochODE(),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ENGINES)
def test_a_new_shape_of_rf_is_played(name):
    tissue = mr.Tissue(t1=1.0, t2=0.1)
    own, shaped = (
        mr.simulate(mr.Sequence(pulse, mr.Sample()), tissue, ENGINES[name]) for pulse in (PULSE, as_shaped(PULSE))
    )
    assert np.abs(own).min() > 0.1
    np.testing.assert_allclose(own, shaped, atol=2e-6)


def test_a_new_shape_of_rf_is_played_under_gradients():
    tissue = mr.Tissue(t1=1.0, t2=0.1, z=1e-3)
    own, shaped = (mr.simulate(sequence, tissue, ENGINES["isochromats"]) for sequence in (OWN, SHAPED))
    assert np.abs(own).min() > 0.1
    np.testing.assert_allclose(own, shaped, atol=2e-6)


@pytest.mark.exhaustive
def test_a_slice_profile_plays_a_new_shape_of_rf():
    positions = jnp.linspace(-2e-2, 2e-2, 5)
    own, shaped = (mr.slice_profile(pulse, positions, gradient=5 * mT) for pulse in (PULSE, as_shaped(PULSE)))
    for one, other in zip(jax.tree.leaves(own), jax.tree.leaves(shaped), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


INVERTED = mr.Sequence(Inversion(0.95), mr.Delay(10 * ms), mr.Pulse(90 * deg), mr.Sample())


def test_a_new_instant_has_a_duration_a_print_a_timeline_and_a_drawing():
    assert float(INVERTED.duration) == pytest.approx(10e-3)
    assert "Inversion efficiency 95 %" in str(INVERTED)
    assert INVERTED.timeline().flip[0] == pytest.approx(np.arccos(-0.9))
    axes = mr.plot.sequence_diagram(INVERTED)
    (drawn, *_) = axes.collections
    assert len(drawn.get_segments()) == 2
    assert "154.2°" in [text.get_text() for text in axes.texts]


def test_a_new_instant_is_refused_by_scanners_files_and_engines():
    assert mr.Scanner().breaches(INVERTED)[0] == "event 0 (Inversion): cannot be played; write an adiabatic pulse"
    with pytest.raises(
        ValueError, match=r"event 0 \(Inversion\) cannot be played by a scanner; write an adiabatic pulse"
    ):
        mr.pulseq.from_sequence(INVERTED)
    for engine in (*ENGINES.values(), mr.EPG(n_states=1)):
        with pytest.raises(ValueError, match="cannot play Inversion events"):
            mr.simulate(INVERTED, mr.Tissue(t1=1.0, t2=0.1), engine)


@pytest.mark.exhaustive
@pytest.mark.parametrize("event", [Shim(1 * ms), mr.Together(Shim(1 * ms), mr.Readout(2, dwell=100 * us))])
def test_an_unknown_channel_has_times_and_is_refused_elsewhere(event):
    sequence = mr.Sequence(mr.Pulse(1.0), event, mr.Sample())
    assert float(sequence.duration) == pytest.approx(1e-3)
    assert float(sequence.timeline().edges[-1]) == pytest.approx(1e-3)
    assert any("Shim is no RF, gradient, readout or delay" in text for text in mr.Scanner().breaches(sequence))
    with pytest.raises(ValueError, match="the format knows no Shim"):
        mr.pulseq.from_sequence(mr.Sequence(event))
    with pytest.raises(ValueError, match="Shim is no AbstractIdealEvent"):
        mr.plot.sequence_diagram(sequence)
    for engine in ENGINES.values():
        with pytest.raises(ValueError, match="cannot play Shim events"):
            mr.simulate(sequence, mr.Tissue(t1=1.0, t2=0.1), engine)


def test_an_event_of_no_kind_is_refused():
    sequence = mr.Sequence(mr.Pulse(1.0), Trigger(), mr.Sample())
    assert "event 1 (Trigger): Trigger does not say how a scanner plays it" in mr.Scanner().breaches(sequence)[1]
    with pytest.raises(ValueError, match="Trigger is no event of a scanner"):
        mr.pulseq.from_sequence(mr.Sequence(Trigger()))
    with pytest.raises(ValueError, match="Trigger is no AbstractIdealEvent"):
        mr.plot.sequence_diagram(sequence)
    with pytest.raises(ValueError, match="but holds a Trigger; play it before or after"):
        mr.Together(Trigger())


DECLARATIONS = {
    Inversion: ("units", "instead", "symbol", "steps"),
    HannPulse: ("units", "dt", "b1_samples", "duration"),
    Shim: ("units", "channel", "edges", "added_to", "duration"),
    Trigger: ("units", "duration", "steps"),
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in DECLARATIONS.items() for name in names])
def test_an_event_that_forgets_a_declaration_cannot_be_made(kind, name):
    kept = {other: vars(kind)[other] for other in DECLARATIONS[kind] if other != name and other in vars(kind)}
    fields = {other: note for other, note in kind.__annotations__.items() if other != name}
    forgetful = type(kind)(
        "Forgetful",
        kind.__bases__,
        {"__module__": __name__, "__annotations__": fields, "__init__": lambda self: None, **kept},
    )
    with pytest.raises(TypeError, match=rf"abstract .*\b{name}\b"):
        forgetful()


def test_an_event_that_forgets_the_unit_of_a_leaf_cannot_be_made():
    class Forgetful(Inversion):
        other: Float[Array, "..."] = 0.0

    with pytest.raises(TypeError, match=r"`units` of the event Forgetful must say how `other` is printed, such as"):
        Forgetful(0.9)


def test_an_event_whose_samples_are_not_on_the_timeline_is_refused():
    class Silent(AbstractIdealEvent):
        units = MappingProxyType({})
        instead, symbol, duration, n_samples = "a Readout", "sample", 0.0, 1

        def steps(self):
            return no_steps()

    with pytest.raises(
        ValueError, match="`steps` of Silent must hold as many samples as `n_samples` says, 1, but hold 0"
    ):
        mr.Sequence(Silent()).timeline()
