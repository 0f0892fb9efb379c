"""Runs emitted files on given weights and batches: one folder for each net, with net.py, weights.safetensors and batch.safetensors. Writes result.safetensors into it, or error.txt.

Under torchrun each rank takes its share of the batch, and the first writes the loss and the gradients alone. ZZ_TEST_TORCH names another device than cpu.
"""

import importlib.util
import os
import sys
import traceback
from pathlib import Path

import torch
import torch.distributed as dist

torch.set_num_threads(1)
torch.manual_seed(0)
torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
DEVICE = torch.device(os.environ.get("ZZ_TEST_TORCH", "cpu"))
RANK, WORLD = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def gradients_of(file, net, model, inputs, labels):
    result = model(*inputs, labels)
    result.loss.backward()
    parameters = dict(net.named_parameters())
    gradients = {f"d.{name}": file.to_zigzag(parameters[path].grad).clone() for name, (path, *_) in file.TENSORS.items() if path in parameters and parameters[path].grad is not None}
    return {"loss": file.over_ranks(result.loss.detach().clone()), **gradients}, result


def share(x, images):
    """This rank's images, of every part of a view."""
    return x.reshape(-1, images, *x.shape[1:])[:, RANK * images // WORLD : (RANK + 1) * images // WORLD].flatten(0, 1)


def run(folder):
    spec = importlib.util.spec_from_file_location(folder.name, folder / "net.py")
    file = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = file
    spec.loader.exec_module(file)
    net = file.make_net()
    weights = str(folder / "weights.safetensors")
    file.load(net, weights)
    net.to(DEVICE)
    batch, _ = file.read_safetensors(str(folder / "batch.safetensors"))
    batch = {name: x.to(DEVICE) for name, x in batch.items()}
    labels = batch.pop("labels").long()
    inputs = [x.permute(0, 3, 1, 2) if x.dim() == 4 else x for x in batch.values()]
    if WORLD > 1:
        images = len(labels)
        model = torch.nn.parallel.DistributedDataParallel(net)
        tensors, _ = gradients_of(file, net, model, [share(x, images) for x in inputs], share(labels, images))
        return file, tensors
    trains = hasattr(file, "make_optimizer")
    tensors = {}
    if trains:
        tensors, result = gradients_of(file, net, net, inputs, labels)
        tensors["correct"] = torch.tensor(-1.0) if result.correct is None else result.correct
        file.load(net, weights)
        optimizer = file.make_optimizer(net)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: file.schedule(step, 7, 21))
        for _ in range(2):
            file.optimize(net, optimizer, inputs, labels)
            rate.step()
        state = net.state_dict()
        tensors.update({f"after.{name}": file.to_zigzag(state[path]).clone() for name, (path, *_) in file.TENSORS.items()})
        file.load(net, weights)
    net.eval()
    with torch.no_grad():
        plain = inputs[0][: len(labels)]  # every view is the plain input
        outputs = net(*(plain for _ in inputs), *([labels] if trains else [])).outputs
    tensors.update({f"output.{name}": y.permute(0, 2, 3, 1) if y.dim() == 4 else y for name, y in outputs.items()})
    return file, tensors


if WORLD > 1:
    dist.init_process_group("gloo")
for name in sys.argv[1:]:
    try:
        file, tensors = run(Path(name))
        if RANK == 0:
            file.write_safetensors(str(Path(name, "result.safetensors")), tensors, {})
    except Exception:
        Path(name, "error.txt").write_text(traceback.format_exc())
