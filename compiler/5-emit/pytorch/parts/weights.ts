// Python: initial values, and safetensors files.

import type { Part } from '../part.ts';

export const WEIGHTS: Part = {
  heading: 'Weights: how they begin, and their way to and from ZigZag.',
  text: String.raw`
def truncated_normals(count: int, *key: int) -> Tensor:
    """Standard normal numbers within two deviations of 0; others are drawn again."""
    drawn = 2 * count + 64
    while True:
        z = normals(drawn, *key)
        z = z[z.abs() <= 2]
        if len(z) >= count:
            return z[:count]
        drawn *= 2


def orthogonal(rows: int, columns: int, *key: int) -> Tensor:
    """A matrix with orthonormal columns, or rows where it has fewer of those (Saxe et al., 2013)."""
    n, length = sorted((rows, columns))
    q, r = torch.linalg.qr(normals(n * length, *key).view(n, length).t())
    q = q * r.diagonal().sign()
    return q if rows >= columns else q.t()


# By init: the first values of a tensor of a shape in ZigZag's layout. 'he' is normal (He et al., 2015), 'glorot' uniform (Glorot and Bengio, 2010).
INITS = {
    "he": lambda shape, std, *key: std * normals(shape.numel(), *key),
    "normal": lambda shape, std, *key: std * normals(shape.numel(), *key),
    "truncated_normal": lambda shape, std, *key: std * truncated_normals(shape.numel(), *key),
    "glorot": lambda shape, std, *key: std * math.sqrt(3) * (2 * uniforms(shape.numel(), *key) - 1),
    "orthogonal": lambda shape, std, *key: orthogonal(shape.numel() // shape[-1], shape[-1], *key),
    "zeros": lambda shape, std, *key: torch.zeros(shape),
    "ones": lambda shape, std, *key: torch.ones(shape),
}


def from_zigzag(x: Tensor) -> Tensor:
    """Filters are [height, width, in, out] in ZigZag and [out, in, height, width] here, matrices [in, out] and [out, in]."""
    return x.permute(3, 2, 0, 1) if x.dim() == 4 else x.t() if x.dim() == 2 else x


def to_zigzag(x: Tensor) -> Tensor:
    return x.permute(2, 3, 1, 0) if x.dim() == 4 else x.t() if x.dim() == 2 else x


def initialise(net: nn.Module, seed: int) -> None:
    """Gives every parameter and running statistic the values with which 'zz train' begins for this seed."""
    state = net.state_dict()
    for name, (parameter, init, std) in TENSORS.items():
        shape = to_zigzag(state[parameter]).shape
        values = INITS[init](shape, std, seed, text_key(name)).reshape(shape)
        state[parameter].copy_(from_zigzag(values))


DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_safetensors(path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a .safetensors file: a length, a JSON header, the tensors' bytes."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    try:
        data = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:data])
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for name, entry in header.items():
            if entry["dtype"] not in DTYPES:
                continue
            start, end = entry["data_offsets"]
            values = torch.frombuffer(content[data + start : data + end], dtype=DTYPES[entry["dtype"]]) if end > start else torch.empty(0)
            tensors[name] = values.reshape(entry["shape"]).float()
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise SystemExit(f"{path} is not a sound .safetensors file: {error}")
    return tensors, metadata


def write_safetensors(path: str, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes the file beside 'path' first, so that a crash leaves the old one."""
    header, data = {"__metadata__": metadata}, []
    offset = 0
    for name, tensor in tensors.items():
        values = bytearray(4 * tensor.numel())
        torch.frombuffer(values, dtype=torch.float32).copy_(tensor.detach().flatten())
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(values)]}
        offset += len(values)
        data.append(values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".tmp", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(data))
    os.replace(path + ".tmp", path)


def load(net: nn.Module, path: str) -> None:
    """Takes the weights and running statistics of a file that 'zz train', 'zz compile' or 'save' wrote."""
    tensors, _ = read_safetensors(path)
    state = net.state_dict()
    wrong = []
    for name, (parameter, *_) in TENSORS.items():
        wanted = to_zigzag(state[parameter]).shape
        if name not in tensors:
            wrong.append(f"{name} is missing")
        elif tensors[name].shape != wanted:
            wrong.append(f"{name} is {list(tensors[name].shape)}, not {list(wanted)}")
    if wrong:
        raise SystemExit(f"{path} does not hold the weights of {NET}: " + "; ".join(wrong))
    for name, (parameter, *_) in TENSORS.items():
        state[parameter].copy_(from_zigzag(tensors[name]))


def save(net: nn.Module, path: str) -> None:
    """Writes the weights and running statistics under ZigZag's names and in its layouts: for 'zz import', 'zz compile --weights' and 'load'."""
    state = net.state_dict()
    tensors = {name: to_zigzag(state[parameter]) for name, (parameter, *_) in TENSORS.items()}
    write_safetensors(path, tensors, {"format": "pt", "net": NET})
`,
};
