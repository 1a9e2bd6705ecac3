#!/usr/bin/env python3
"""Files of this library in PyTorch, and files of PyTorch in this library.

    interop.py PROGRAM [TEST-PROGRAM-OPTION...]

PROGRAM is the test program of the room `checkpoint`. PyTorch saves files into a temporary folder; PROGRAM, told the
folder by SHARDPLAN_INTEROP_DIR, checks them and writes its own beside them; PyTorch loads those. Elements are given by
one formula on both sides. Exit status 77: there is no PyTorch.
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    print("PyTorch is not installed: skipped")
    sys.exit(77)

ELEMENTS = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "uint16",
            "uint32", "uint64", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2"]
TYPED = [e for e in ELEMENTS if e not in ("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2")]
EXTRA = {"scalar": ("float32", [], 101), "empty": ("float32", [0, 4], 102), "hollow": ("bfloat16", [3, 0, 2], 103),
         "parameter": ("float32", [4, 4], 104), "tied.a": ("float32", [2, 2], 105), "tied.b": ("float32", [2, 2], 105)}


def formula(dtype, shape, seed):
    """The bytes of a tensor."""
    count = torch.empty(shape, dtype=getattr(torch, dtype)).numel() * torch.empty((), dtype=getattr(torch, dtype)).element_size()
    mixed = [(i * 2654435761 + seed * 40503 + 12345) % 2**32 for i in range(count)]
    return bytes((m >> 31) if dtype == "bool" else (m >> 24) for m in mixed)


def bytes_of(tensor):
    flat = tensor.detach().contiguous().reshape(-1)
    if flat.numel() == 0:
        return b""
    return bytes(flat.view(torch.uint8).numpy())


def tensor_of(dtype, shape, seed):
    data = formula(dtype, shape, seed)
    if not data:
        return torch.empty(shape, dtype=getattr(torch, dtype))
    return torch.frombuffer(bytearray(data), dtype=getattr(torch, dtype)).reshape(shape)


def check(holds, what):
    if not holds:
        raise SystemExit(f"interop: {what}")


def save_theirs(folder):
    def content():
        seeds, tensors = {}, collections.OrderedDict()
        for seed, dtype in enumerate(TYPED, 1):
            seeds[dtype], tensors[dtype] = seed, tensor_of(dtype, [3, 5], seed)
        for key, (dtype, shape, seed) in EXTRA.items():
            seeds[key], tensors[key] = seed, tensor_of(dtype, shape, seed)
        tensors["parameter"] = torch.nn.Parameter(tensors["parameter"])
        tensors["tied.b"] = tensors["tied.a"]
        values = {"i": -7, "wide": 2**40, "f": 1.5, "t": True, "n": None, "s": "h\u00e9llo", "b": b"\0\xff", "e": b"",
                  "l": [1, (2, "x"), [], {}], 3: {4: (5,)}}
        text = "{'i': -7, 'wide': 1099511627776, 'f': 1.5, 't': True, 'n': None, 's': 'h\u00e9llo', 'b': b'\\x00\\xff', " \
               "'e': b'', 'l': [1, (2, 'x'), [], {}], 3: {4: (5,)}}"
        return {"model": tensors, "seeds": seeds, "values": values, "as_text": text}

    torch.save(content(), os.path.join(folder, "theirs.pt"))
    torch.save(content(), os.path.join(folder, "theirs_legacy.pt"), _use_new_zipfile_serialization=False)
    torch.save(content(), os.path.join(folder, "theirs_protocol4.pt"), pickle_protocol=4)


def load_ours(path, newer):
    """Every value that torch_writer_test.cpp writes."""
    options = {"weights_only": False} if tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 0) else {}
    loaded = torch.load(path, map_location="cpu", **options)
    model = loaded["model"]
    check(isinstance(model, collections.OrderedDict), "the state dict is no OrderedDict")
    check(model._metadata == {"": {"version": 1}}, "_metadata differs")
    expected = {e: (e, [3, 5], i) for i, e in enumerate(ELEMENTS, 1) if newer or e in TYPED}
    expected.update(EXTRA)
    check(list(model) == list(expected), f"keys {list(model)}")
    for key, (dtype, shape, seed) in expected.items():
        tensor = model[key]
        check(tensor.dtype == getattr(torch, dtype), f"{key} is {tensor.dtype}")
        check(list(tensor.shape) == shape, f"{key} has shape {list(tensor.shape)}")
        check(bytes_of(tensor) == formula(dtype, shape, seed), f"{key} has other elements")
        check(tensor.is_contiguous(), f"{key} is not contiguous")
    check(model["tied.a"] is model["tied.b"], "tied tensors are two")
    check(isinstance(model["parameter"], torch.nn.Parameter) and model["parameter"].requires_grad, "no parameter")
    check(not model["float32"].requires_grad, "float32 requires a gradient")
    arguments = loaded["arguments"]
    check(isinstance(arguments, argparse.Namespace) and arguments.hidden == 16, "no Namespace")
    plain = {"epoch": 3, "step": 1200, "negative": -7, "million": 1000000, "wide": 2**40, "huge": -2**70,
             "rate": 1.5e-4, "yes": True, "no": False, "none": None, "text": "h\u00e9llo \u4e16\u754c",
             "bytes": b"\0\1\x80\xff", "array": bytearray(b"abc"), "list": [1, 2, [3, 4]], "again": [1, 2, [3, 4]],
             "tuple": (1, "a", (2.5,), (1, 2, 3, 4)), "nothing": (), "set": {1, 2},
             "numbers": {0: "zero", 300: "many", -1: {}}, "size": torch.Size([2, 3]), "dtype": torch.bfloat16,
             "device": torch.device("cpu")}
    check(list(loaded) == ["model"] + list(plain) + ["arguments"], f"keys {list(loaded)}")
    for key, value in plain.items():
        check(loaded[key] == value and type(loaded[key]) is type(value), f"{key} is {loaded[key]!r}")
    check(loaded["list"] is loaded["again"], "one list has become two")


def main():
    program = sys.argv[1:]
    if not program:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        save_theirs(folder)
        subprocess.run(program, env={**os.environ, "SHARDPLAN_INTEROP_DIR": folder}, check=True)
        load_ours(os.path.join(folder, "ours.pt"), False)
        if all(hasattr(torch, element) for element in ELEMENTS):
            load_ours(os.path.join(folder, "ours_newer.pt"), True)
        else:
            print(f"PyTorch {torch.__version__} lacks the newer types: ours_newer.pt is not checked")
    print(f"PyTorch {torch.__version__}: files open in both directions")


if __name__ == "__main__":
    main()
