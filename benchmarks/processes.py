"""Several processes that train one model: our exchange of gradients beside torch's DistributedDataParallel.

    python benchmarks/processes.py

1, 2 and 3 processes (gloo, one thread each) take 20 steps on the same batches with the network of the codec ``thesis``.
The table says how far the weights of the two ways lie apart, how far 20 steps lie from 10 steps and 10 more after a
resume, and what a step takes. Decision 0004 rests on it.
"""

import argparse
import os
import statistics
import tempfile
import time

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from intertone.codec import CodecConfig
from intertone.models import Batch, Trainable, build_model
from intertone.shipped import CODECS
from intertone.train.processes import Processes

STEPS, BATCH, N_FEATURES, N_FRAMES = 20, 12, 512, 64


class Loss(nn.Module):
    """The loss of a model as a forward, which is what DistributedDataParallel wraps."""

    def __init__(self, model: Trainable) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> Tensor:
        return torch.stack(list(self.model.loss(Batch(features, features)).values())).sum()


def train(workers: Processes, *, wrapped: bool, resumed: bool) -> tuple[list[Tensor], list[float]]:
    """Return the weights after all steps, and the seconds of each step."""
    config = CodecConfig.read(CODECS / "thesis" / "config.json").model
    state: dict[str, dict] = {}
    seconds = []
    model = build_model(config, n_features=N_FEATURES).to(memory_format=torch.channels_last)
    for first, last in ((0, STEPS // 2), (STEPS // 2, STEPS)) if resumed else ((0, STEPS),):
        model = build_model(config, n_features=N_FEATURES).to(memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
        if state:
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
        loss_of = DistributedDataParallel(Loss(model)) if wrapped else Loss(model)
        for step in range(first, last):
            generator = torch.Generator().manual_seed(step)
            features = torch.rand(BATCH, N_FEATURES, N_FRAMES, generator=generator).chunk(workers.size)[workers.rank]
            started = time.monotonic()
            optimiser.zero_grad(set_to_none=True)
            loss_of(features).backward()
            if not wrapped:
                workers.mean([value.grad for value in model.parameters() if value.grad is not None])
            optimiser.step()
            seconds.append(time.monotonic() - started)
        state = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    return [value.detach() for value in model.parameters()], seconds


def difference(first: list[Tensor], second: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))


def work(rank: int, size: int, folder: str) -> None:
    """Take all steps in both ways in one of ``size`` processes; the first writes a line of the table."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet-{size}", rank=rank, world_size=size)
    workers = Processes(rank, size)
    (ours, our_seconds), (ours_resumed, _) = (train(workers, wrapped=False, resumed=part) for part in (False, True))
    (ddp, ddp_seconds), (ddp_resumed, _) = (train(workers, wrapped=True, resumed=part) for part in (False, True))
    if rank == 0:
        cells = [difference(ours, ddp), difference(ours, ours_resumed), difference(ddp, ddp_resumed)]
        paces = [statistics.median(seconds) for seconds in (our_seconds, ddp_seconds)]
        row = [str(size), *(f"{cell:.2g}" for cell in cells), *(f"{pace:.3f}" for pace in paces)]
        print("| " + " | ".join(row) + " |", flush=True)
    distributed.barrier()
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3], help="how many, one after the other")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    print("| processes | ours − DDP | ours, resumed | DDP, resumed | ours, s a step | DDP, s a step |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="intertone-processes-") as folder:
        for size in options.processes:
            torch.multiprocessing.spawn(work, (size, folder), nprocs=size)


if __name__ == "__main__":
    main()
