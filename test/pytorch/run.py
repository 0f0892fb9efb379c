"""Runs emitted files on given weights and batches: one folder for each net, with net.py, weights.safetensors and batch.safetensors. Writes result.safetensors into it, or error.txt."""

import importlib.util
import sys
import traceback
from pathlib import Path

import torch

torch.set_num_threads(1)
torch.manual_seed(0)


def run(folder: Path) -> None:
    spec = importlib.util.spec_from_file_location(folder.name, folder / "net.py")
    file = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = file
    spec.loader.exec_module(file)
    net = file.make_net()
    file.load(net, str(folder / "weights.safetensors"))
    batch, _ = file.read_safetensors(str(folder / "batch.safetensors"))
    labels = batch.pop("labels").long()
    inputs = [x.permute(0, 3, 1, 2) if x.dim() == 4 else x for x in batch.values()]
    trains = hasattr(file, "make_optimizer")
    tensors = {}
    if trains:
        result = net(*inputs, labels)
        result.loss.backward()
        parameters = dict(net.named_parameters())
        tensors["loss"] = result.loss
        tensors["correct"] = torch.tensor(-1.0) if result.correct is None else result.correct
        tensors.update({f"d.{name}": file.to_zigzag(parameters[path].grad).clone() for name, (path, *_) in file.TENSORS.items() if path in parameters and parameters[path].grad is not None})
        file.load(net, str(folder / "weights.safetensors"))
        optimizer = file.make_optimizer(net)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: file.schedule(step, 7, 21))
        for _ in range(2):
            file.optimize(net, optimizer, inputs, labels)
            rate.step()
        state = net.state_dict()
        tensors.update({f"after.{name}": file.to_zigzag(state[path]).clone() for name, (path, *_) in file.TENSORS.items()})
        file.load(net, str(folder / "weights.safetensors"))
    net.eval()
    with torch.no_grad():
        plain = inputs[0][: len(labels)]  # every view is the plain input
        outputs = net(*(plain for _ in inputs), *([labels] if trains else [])).outputs
    tensors.update({f"output.{name}": y.permute(0, 2, 3, 1) if y.dim() == 4 else y for name, y in outputs.items()})
    file.write_safetensors(str(folder / "result.safetensors"), tensors, {})


for name in sys.argv[1:]:
    try:
        run(Path(name))
    except Exception:
        Path(name, "error.txt").write_text(traceback.format_exc())
