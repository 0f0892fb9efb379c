"""Reads safetensors files of f32 tensors: a u64 header length, a JSON header, the tensors' bytes."""

import json
import struct

import numpy
import torch


def read(path):
    """The tensors by name, and the file's metadata."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        payload = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise SystemExit(f"{path}: {name} has dtype {entry['dtype']}, not F32")
        start, end = entry["data_offsets"]
        flat = numpy.frombuffer(payload, dtype="<f4", count=(end - start) // 4, offset=start)
        tensors[name] = torch.from_numpy(flat.copy()).reshape(entry["shape"])
    return tensors, metadata
