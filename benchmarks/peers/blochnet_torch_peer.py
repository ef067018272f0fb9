"""How long does a training step of BlochNet take as published: in torch, in reverse mode through every state?

    <python of the peers> -m benchmarks.peers.blochnet_torch_peer --voxels 1000 --repetitions 1000 --threads 1

from the root of the repository. Prints one line of JSON. Our own code, after the description of the method: complex states
of shape (batch, 3, states), one 3 x 3 matrix per pulse, all operations recorded by autograd. Relaxation after the echo is in.
"""

import argparse

import numpy as np
import torch

from benchmarks import tasks
from benchmarks.peers.measuring import measured, peak_memory, report


def rotation(angle: torch.Tensor) -> torch.Tensor:
    """What a pulse about y does to (F+, F-, Z)."""
    cosine, sine, half = torch.cos(angle), torch.sin(angle), torch.cos(angle / 2) ** 2
    rest = 1 - half
    rows = [[half, -rest, sine], [-rest, half, sine], [-sine / 2, -sine / 2, cosine]]
    return torch.stack([torch.stack(row) for row in rows]).to(torch.complex64)


def decoded(t1: torch.Tensor, t2: torch.Tensor, task: dict, n_states: int) -> torch.Tensor:
    """The signal of every sample at every echo."""
    state = torch.zeros(len(t1), 3, n_states, dtype=torch.complex64)
    state[:, 2, 0] = -1
    echoes = []
    for angle, tr in zip(task["flip_angle"], task["tr"], strict=True):
        state = rotation(angle) @ state
        state = relaxed(state, t1, t2, task["te"])
        echoes.append(state[:, 0, 0])
        state = shifted(relaxed(state, t1, t2, tr - task["te"]))
    return torch.stack(echoes, dim=1).real


def relaxed(state: torch.Tensor, t1: torch.Tensor, t2: torch.Tensor, time: float) -> torch.Tensor:
    e1, e2 = torch.exp(-time / t1), torch.exp(-time / t2)
    decay = torch.stack([e2, e2, e1], dim=1)[:, :, None]
    recovered = torch.zeros_like(state.real)
    recovered[:, 2, 0] = 1
    return state * decay + recovered * (1 - e1)[:, None, None]


def shifted(state: torch.Tensor) -> torch.Tensor:
    plus, minus, z = state.unbind(1)
    lowered = torch.cat([minus[:, 1:], torch.zeros_like(minus[:, :1])], dim=1)
    raised = torch.cat([lowered[:, :1].conj(), plus[:, :-1]], dim=1)
    return torch.stack([raised, lowered, z], dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voxels", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--states", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    n = options.repetitions
    random = np.random.default_rng(0)
    task = {"flip_angle": torch.from_numpy(tasks.fisp(1)["flip_angle"][:n].astype(np.float32)), "te": 10e-3}
    task["tr"] = random.uniform(11.67e-3, 14.33e-3, n)
    t1 = torch.from_numpy(random.uniform(0.1, 5, options.voxels).astype(np.float32))
    t2 = t1 * torch.from_numpy(random.uniform(0.02, 0.4, options.voxels).astype(np.float32))
    labels = torch.log10(1e3 * torch.stack([t1, t2], dim=1))
    with torch.no_grad():
        signal = torch.nn.functional.normalize(decoded(t1, t2, task, options.states), dim=1)
    linear = torch.nn.Linear
    relu = torch.nn.ReLU
    encoder = torch.nn.Sequential(
        linear(n, n), relu(), linear(n, 300), relu(), linear(300, 300), relu(), linear(300, 2)
    )

    def step() -> float:
        predicted = encoder(signal)
        times = 1e-3 * 10 ** torch.clamp(predicted, -2, 4)
        again = torch.nn.functional.normalize(decoded(times[:, 0], times[:, 1], task, options.states), dim=1)
        loss = torch.mean((predicted - labels) ** 2) + 100 * torch.mean((again - signal) ** 2)
        encoder.zero_grad()
        loss.backward()
        return loss.item()

    _, times = measured(step, options.repeats)
    report(**times, peak_mib=peak_memory(), versions={"torch": torch.__version__})


if __name__ == "__main__":
    main()
