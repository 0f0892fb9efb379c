"""Compares the gradients in files that `node scripts/bench.js gradients` writes with PyTorch's, from the same weights and images.

A file holds weight/NAME (HWIO), input/VIEW (NHWC), labels, loss and gradient/NAME. Prints a line of JSON for each file: of the loss and of every weight's gradient
the relative error |ours - theirs| / |theirs|, theirs in f32 with TF32 off; null where it is not finite. `rounding` is PyTorch's own largest error against f64.
"""

import argparse
import json
import math
import sys

import torch
from torch.nn import functional as F

import nets
import tensors


def filters(tensor):
    """HWIO as OIHW."""
    return tensor.permute(3, 2, 0, 1).contiguous()


def relative(ours, theirs):
    error = float((ours.double() - theirs.double()).norm() / theirs.double().norm().clamp_min(1e-12))
    return error if math.isfinite(error) else None  # JSON has neither NaN nor infinity


def largest(errors):
    return None if None in errors else max(errors)


def parts(stored, prefix):
    return {name[len(prefix):]: tensor for name, tensor in stored.items() if name.startswith(prefix)}


def compare(path, device):
    stored, metadata = tensors.read(path)
    weights = {name: filters(tensor) for name, tensor in parts(stored, "weight/").items()}
    ours = {name: filters(tensor) for name, tensor in parts(stored, "gradient/").items()}
    readings = [tensor.permute(0, 3, 1, 2).contiguous() for tensor in parts(stored, "input/").values()]
    labels = stored["labels"].long()
    net = nets.NETS[metadata["net"]](small=int(metadata["small"]), large=int(metadata["large"]))

    def gradients(dtype):
        placed = {"device": device, "dtype": dtype}
        net.to(**placed)
        named = net.weights()
        if named.keys() != weights.keys():
            sys.exit(f"{path}: weights {sorted(weights)}; the net in PyTorch has {sorted(named)}")
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(weights[name])
        loss, found = nets.loss_and_gradients(net, F.cross_entropy, [x.to(**placed) for x in readings], labels.to(device))
        return float(loss), {name: gradient.detach().double().cpu() for name, gradient in found.items()}

    loss, theirs = gradients(torch.float32)
    _, exact = gradients(torch.float64)
    errors = {name: relative(ours[name], theirs[name]) for name in theirs}
    return {
        "file": path,
        "loss": relative(stored["loss"], torch.tensor(loss)),
        "errors": errors,
        "worst": largest(errors.values()),
        "rounding": largest([relative(theirs[name], exact[name]) for name in theirs]),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    for path in options.files:
        print(json.dumps(compare(path, options.device)), flush=True)


if __name__ == "__main__":
    main()
