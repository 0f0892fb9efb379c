"""A step of a net in PyTorch on the processor, measured in turn (bench/turns.ts): one measurement, in milliseconds, for each line on standard input."""

import argparse
import json
import sys
import time

import torch

import nets
import steps

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--net", required=True)
parser.add_argument("--task", choices=["train", "predict"], required=True)
parser.add_argument("--readings", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--small", type=int, default=96)
parser.add_argument("--large", type=int, default=192)
options = parser.parse_args()
torch.set_num_threads(options.threads)
net, images, labels = steps.setup(options.net, options.readings, "fp32", "cpu", {"small": options.small, "large": options.large})
train = steps.step_of(net, images, labels, "eager", "fp32", "cpu")


def predict():
    with torch.inference_mode():
        net(*images)


step = train if options.task == "train" else predict
print(json.dumps({"weights": sum(weight.numel() for weight in net.parameters()), "version": torch.__version__}), flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    step()
    print(json.dumps({"ms": 1000 * (time.perf_counter() - began)}), flush=True)
