// Python: steps, epochs, scores, the command line.

import type { Part } from '../part.ts';

export const TRAIN: Part = {
  text: String.raw`
def rank_and_world() -> tuple[int, int]:
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def over_ranks(x: Tensor) -> Tensor:
    """The mean over all ranks."""
    if dist.is_initialized():
        dist.all_reduce(x)
        x = x / dist.get_world_size()
    return x


def optimize(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: list[Tensor], labels: Tensor) -> Result:
    """One step. Under DistributedDataParallel the gradients are averaged over the ranks on the way."""
    result = model(*inputs, labels)
    optimizer.zero_grad(set_to_none=True)
    result.loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
    optimizer.step()
    return result


class Score:
    """Running sums over batches, on the device until they are read."""

    def __init__(self, device: torch.device) -> None:
        self.sums, self.rows = torch.zeros(2, device=device), 0

    def add(self, result: Result, rows: int) -> None:
        correct = result.loss * 0 if result.correct is None else result.correct
        self.sums += torch.stack([result.loss.detach().float() * rows, correct.detach().float()])
        self.rows += rows

    def __str__(self) -> str:
        """The mean loss, and the accuracy where the net has classes. Call it on all ranks: it sums over them."""
        loss, correct, rows = over_ranks(torch.cat([self.sums, self.sums.new_tensor([self.rows])])).tolist()
        return f"{loss / rows:.4f}" + (f" ({correct / rows:.1%})" if CLASSES else "")


@torch.no_grad()
def evaluate(net: nn.Module, batches: Batches) -> str:
    """Loss and accuracy on the test images, which the ranks share."""
    net.eval()
    score = Score(batches.device)
    for inputs, labels, count in batches.test():
        score.add(net(*(x[:count] for x in inputs), labels[:count]), count)
    net.train()
    return str(score)


def train(net: nn.Module, batches: Batches, epochs: int, out: str) -> None:
    rank, world = rank_and_world()
    model = nn.parallel.DistributedDataParallel(net) if world > 1 else net
    optimizer = make_optimizer(net)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step, batches.steps, epochs * batches.steps))
    for epoch in range(epochs):
        began = time.perf_counter()
        score = Score(batches.device)
        for step in range(epoch * batches.steps, (epoch + 1) * batches.steps):
            inputs, labels = batches.train(step)
            result = optimize(model, optimizer, inputs, labels)
            rate.step()
            score.add(result, max(map(len, inputs)))
        trained = str(score)
        speed = batches.steps * batches.batch / (time.perf_counter() - began)
        tested = evaluate(net, batches)
        if rank == 0:
            save(net, out)
            print(f"epoch {epoch + 1}/{epochs}  train {trained}  test {tested}  {speed:.0f} images/s", flush=True)


def dump_gradients(net: nn.Module, batches: Batches, path: str) -> None:
    """Writes the loss of the first step and the gradient of each weight, in ZigZag's names and layouts."""
    rank, world = rank_and_world()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # they are compared digit by digit
    model = nn.parallel.DistributedDataParallel(net) if world > 1 else net
    inputs, labels = batches.train(0)
    loss = model(*inputs, labels).loss
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
    tensors = {name: to_zigzag(gradients[parameter]) for name, (parameter, *_) in TENSORS.items() if gradients.get(parameter) is not None}
    mean = over_ranks(loss.detach().clone())
    if rank == 0:
        write_safetensors(path, {"loss": mean, **tensors}, {"format": "pt", "net": NET})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=DATASET, help="synthetic, or a folder: CIFAR-10's binary files, or train/<class>/* and test/<class>/* (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="times that every image enters (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=BATCH, help="distinct images a step, of all ranks together (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="what all random numbers are drawn from (default: %(default)s)")
    parser.add_argument("--weights", metavar="FILE", default=WEIGHTS, help="begin with the weights of a .safetensors file (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", default=f"{NET}.safetensors", help="where the weights go after each epoch (default: %(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, mps, ... (default: %(default)s)")
    parser.add_argument("--evaluate", action="store_true", help="score the test images and stop")
    parser.add_argument("--dump-gradients", metavar="FILE", help="write the loss and the gradients of the first step to a .safetensors file and stop")
    options = parser.parse_args()

    device = torch.device(options.device)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    torch.manual_seed(options.seed + rank_and_world()[0])
    classes, train_split, test_split = open_data(options.data)
    if CLASSES and len(classes) > CLASSES:
        raise SystemExit(f"{NET} has {CLASSES} class scores; {options.data} has {len(classes)} classes")
    if options.weights == WEIGHTS and classes != NAMES:
        raise SystemExit(f"{options.data} has the classes {', '.join(classes)}; the weights know {', '.join(NAMES)}")
    batches = Batches(train_split, test_split, options.batch, options.seed, device)

    net = make_net()
    if options.weights:
        load(net, options.weights)
    else:
        initialise(net, options.seed)
    net.to(device)
    if device.type == "cuda":
        net.to(memory_format=torch.channels_last)  # which cuDNN is fastest with
    if options.dump_gradients:
        dump_gradients(net, batches, options.dump_gradients)
    elif options.evaluate:
        tested = evaluate(net, batches)
        if rank_and_world()[0] == 0:
            print(f"test {tested}")
    else:
        train(net, batches, options.epochs, options.out)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
`,
};
