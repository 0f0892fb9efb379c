"""Times training steps of the networks in nets.py: forward, backward and fused Adam on random images that are on the device already.

Prints a line of JSON for each combination as it is measured: milliseconds of a step (the median over samples, the middle half of them, the fastest), or why there is none.
Modes: eager; compile, torch.compile with CUDA graphs; autotune, the same after its longer search; graph, the compiled net and the optimiser captured in one CUDA graph by hand.
Precisions: fp32 with TF32 off, tf32, bf16 by autocast with f32 weights.
"""

import argparse
import json
import time

import torch
from torch.nn import functional as F

import nets

COMPILED = {"compile": "reduce-overhead", "autotune": "max-autotune"}
"""torch.compile's modes that use CUDA graphs."""
WARM_UP = 5
SAMPLE = 0.02
"""Seconds that a sample should last."""


def setup(name, readings, precision, device, widths):
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    net = nets.NETS[name](**widths).to(device, memory_format=torch.channels_last)
    views = 2 if isinstance(net, nets.Streams) else 1
    images = [torch.randn(readings, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last) for _ in range(views)]
    labels = torch.randint(nets.CLASSES, (readings,), device=device)
    return net, images, labels


def step_of(net, images, labels, mode, precision, device):
    """A function that trains one step."""
    on_gpu = device == "cuda"
    fused = {"fused": True, "capturable": mode == "graph"} if on_gpu else {}
    optimizer = torch.optim.Adam(net.parameters(), lr=8e-5, betas=(0.9, 0.9), **fused)

    def loss_of(*readings):
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            return F.cross_entropy(net(*readings).float(), labels)

    forward = loss_of
    if mode in COMPILED:
        forward = torch.compile(loss_of, mode=COMPILED[mode])
    if mode == "graph":
        forward = torch.compile(loss_of)

    def step():
        optimizer.zero_grad(set_to_none=True)
        forward(*images).backward()
        optimizer.step()

    if mode != "graph":
        return step
    # The captured step reads and writes the same memory each time: https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    # It is captured on the stream of the warm-up, to which autograd's nodes belong.
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph, stream=aside):
        forward(*images).backward()
        optimizer.step()

    def replay(_kept=(net, images, labels, optimizer)):  # the graph knows their memory, but does not hold it
        graph.replay()

    return replay


def timed(step, device, steps, budget):
    """Milliseconds of a step: samples of several steps, waiting for the device once a sample."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def sample(count):
        wait()
        began = time.perf_counter()
        for _ in range(count):
            step()
        wait()
        return (time.perf_counter() - began) / count

    estimate = min(sample(1) for _ in range(WARM_UP))
    each = max(1, min(int(SAMPLE / estimate) + 1, steps // 5 if steps else 1 << 30))
    wanted = max(5, min(200, int(budget / (estimate * each)))) if not steps else max(1, steps // each)
    samples = sorted(1000 * sample(each) for _ in range(wanted))
    at = lambda share: float(torch.tensor(samples).quantile(share))
    return {"median": at(0.5), "low": at(0.25), "high": at(0.75), "fastest": samples[0]}, wanted * each


def why_not(mode, precision, device):
    if mode != "eager" and not hasattr(torch, "compile"):
        return f"PyTorch {torch.__version__} has no torch.compile"
    if device == "cpu" and (mode == "graph" or precision == "tf32"):
        return "only on CUDA"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", default="case-a,case-b,case-c,case-d,case-e")
    parser.add_argument("--readings", default="50,512")
    parser.add_argument("--modes", default="eager,compile,graph")
    parser.add_argument("--precisions", default="fp32,tf32,bf16")
    parser.add_argument("--small", type=int, default=96)
    parser.add_argument("--large", type=int, default=192)
    parser.add_argument("--steps", type=int, default=0, help="steps that are timed; 0: what --seconds hold")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    widths = {"small": options.small, "large": options.large}
    for name in options.nets.split(","):
        for readings in map(int, options.readings.split(",")):
            for precision in options.precisions.split(","):
                for mode in options.modes.split(","):
                    row = {"net": name, "readings": readings, "precision": precision, "mode": mode}
                    missing = why_not(mode, precision, options.device)
                    if missing is None:
                        try:
                            net, images, labels = setup(name, readings, precision, options.device, widths)
                            step = step_of(net, images, labels, mode, precision, options.device)
                            ms, steps = timed(step, options.device, options.steps, options.seconds)
                            row.update(weights=sum(weight.numel() for weight in net.parameters()), ms=ms, steps=steps)
                        except Exception as error:  # one that does not compile, or is out of memory, does not end the others
                            missing = f"{type(error).__name__}: {error}".split("\n")[0]
                    if missing is not None:
                        row.update(missing=missing)
                    print(json.dumps(row), flush=True)
                    net = images = labels = step = None
                    if hasattr(torch, "_dynamo"):
                        torch._dynamo.reset()
                    if options.device == "cuda":
                        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
