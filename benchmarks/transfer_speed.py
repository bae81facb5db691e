"""Processor seconds of one evaluation of an objective of style transfer with its gradient, as a Markdown table.

    OMP_NUM_THREADS=1 python benchmarks/transfer_speed.py [SYSTEMS…] [--evaluations 3]

Content and style are the first pair of ``transfer_systems.py``, 4 s. The fastest of the evaluations counts. Seconds of
the processor and not of the clock: other work on the machine counts less, but for what it takes of memory and caches.
"""

import argparse
import resource
import sys
import time

import torch
from torch import Tensor

from intertone.audio import resample
from intertone.bench.transfer.pairs import draw_transfer_pairs
from intertone.errors import InputError
from intertone.transfer import TransferConfig, load_preset, preset_names
from intertone.transfer.objective import Objective

RSS_UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in a mebibyte
LEVEL = 0.1
"""RMS of both sounds where a system does not set one."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", help="none: all")
    parser.add_argument("--evaluations", type=int, default=3)
    options = parser.parse_args()
    try:
        [pair] = draw_transfer_pairs(n_pairs=1)
    except InputError as error:
        sys.exit(f"transfer_speed.py: {error}")
    sys.stdout.write("| system | targets, s | evaluation, s | peak so far, MiB |\n| --- | --- | --- | --- |\n")
    for system in options.systems or preset_names():
        config = load_preset(system)
        sounds = [_prepared(torch.as_tensor(sound), pair.sample_rate, config) for sound in (pair.content, pair.style)]
        targets, fastest = measured(*sounds, config, options.evaluations)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / RSS_UNIT
        sys.stdout.write(f"| {system} | {targets:.2f} | {fastest:.2f} | {peak:.0f} |\n")
        sys.stdout.flush()


def measured(content: Tensor, style: Tensor, config: TransferConfig, evaluations: int) -> tuple[float, float]:
    """Return the seconds for the targets, and those of the fastest evaluation."""
    start = time.process_time()
    variable = config.variable.build(content, config.sample_rate, config.init, torch.Generator().manual_seed(0))
    references = variable.reference(content), variable.reference(style)
    objective = Objective(config.terms, *references, sample_rate=config.sample_rate)
    targets = time.process_time() - start
    variable.parameter.requires_grad_(True)
    seconds = []
    for _ in range(evaluations):
        start = time.process_time()
        variable.parameter.grad = None
        torch.stack(list(objective(variable.signal()).values())).sum().backward()
        seconds.append(time.process_time() - start)
    return targets, min(seconds)


def _prepared(sound: Tensor, sample_rate: int, config: TransferConfig) -> Tensor:
    """Return a sound at the rate and the level of a system, ``(1, samples)``."""
    given = torch.as_tensor(resample(sound.reshape(1, -1), sample_rate, config.sample_rate))
    return given * ((config.rms or LEVEL) / given.square().mean().sqrt())


if __name__ == "__main__":
    main()
