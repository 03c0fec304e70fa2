import lzma
import math
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from tfaffect.errors import UsageError
from tfaffect.networks.pytorch import pickle as torch_pickle

# A small writer of what torch.save writes, opcode by opcode (pickletools.py of Python describes them).


def text(words):
    encoded = words.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def integer(number):
    return pickle.dumps(number, 2)[2:-1]


def together(*parts):
    return b"(" + b"".join(parts) + b"t"


def name(module, word):
    return f"c{module}\n{word}\n".encode()


def mapping(items):
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def ordered(items):
    """A state dict as PyTorch writes it: an OrderedDict with an attribute `_metadata`."""
    pairs = b"".join(text(key) + value for key, value in items.items())
    return name("collections", "OrderedDict") + b")R(" + pairs + b"u}" + text("_metadata") + b"}sb"


def storage(key, count, kind="FloatStorage", view=b""):
    return together(text("storage"), name("torch", kind), text(key), text("cpu"), integer(count), view) + b"Q"


def tensor(source, shape, strides, offset=0):
    sizes = (integer(offset), together(*map(integer, shape)), together(*map(integer, strides)))
    hooks = name("collections", "OrderedDict") + b")R"
    return name("torch._utils", "_rebuild_tensor_v2") + together(source, *sizes, b"\x89", hooks) + b"R"


def array(key, values, kind="FloatStorage"):
    """A tensor of its own storage, which holds its numbers row by row."""
    strides = [math.prod(values.shape[place + 1 :]) for place in range(values.ndim)]
    return tensor(storage(key, values.size, kind), values.shape, strides)


def program(body):
    return b"\x80\x02" + body + b"."


def write_zip(path, body, storages=(), byteorder="little", **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("best/data.pkl", program(body))
        if byteorder:
            archive.writestr("best/byteorder", byteorder)
        for key, content in dict(storages).items():
            archive.writestr(f"best/data/{key}", bytes(content))
        archive.writestr("best/version", "3\n")
    return path


def write_legacy(path, body, storages=()):
    """What torch.save wrote before 1.6; storages: key -> array."""
    storages = dict(storages)
    system = mapping({"protocol_version": integer(1001), "little_endian": b"\x88"})
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    header = [program(part) for part in (integer(0x1950A86A20F9469CFC6C), integer(1001), system, body, keys)]
    content = [struct.pack("<q", values.size) + values.tobytes() for values in storages.values()]
    path.write_bytes(b"".join([*header, *content]))
    return path


def write_state(path, arrays, wrap=ordered):
    """Write arrays as a state dict."""
    kinds = {"float64": "Double", "float32": "Float", "float16": "Half", "int64": "Long"}
    body = {}
    for number, (key, values) in enumerate(arrays.items()):
        body[key] = array(str(number), values, f"{kinds[values.dtype.name]}Storage")
    return write_zip(path, wrap(body), {str(n): values.tobytes() for n, values in enumerate(arrays.values())})


SIX = np.arange(6, dtype="<f4")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "best.pth"


def read_one(path, body, content, **options):
    return torch_pickle.read(write_zip(path, mapping({"x": body}), {"0": content}, **options))["x"]


def test_a_state_dict_comes_back_as_arrays_in_its_order(path):
    arrays = {"b.weight": SIX.reshape(2, 3), "a.num_batches_tracked": np.array(7)}
    state = torch_pickle.read(write_state(path, arrays))
    assert list(state) == ["b.weight", "a.num_batches_tracked"]
    np.testing.assert_array_equal(state["b.weight"], [[0, 1, 2], [3, 4, 5]])
    assert state["b.weight"].dtype == np.float32
    assert state["a.num_batches_tracked"] == 7
    assert state["a.num_batches_tracked"].shape == ()


def test_what_pytorch_itself_wrote_is_read_whole(oracles, tmp_path):
    unpacked = tmp_path / "upstream.pth"
    unpacked.write_bytes(lzma.decompress((oracles / "upstream_state_dict.pth.xz").read_bytes()))
    state = torch_pickle.read(unpacked)
    assert len(state) == 517
    assert state["model.features.0.0.weight"].shape == (32, 3, 3, 3)
    assert sum(values.size for values in state.values()) * 4 == pytest.approx(unpacked.stat().st_size, rel=0.02)
    assert all(np.isfinite(values).all() for values in state.values())


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        *[("DoubleStorage", "f8"), ("FloatStorage", "f4"), ("HalfStorage", "f2"), ("LongStorage", "i8")],
        *[("IntStorage", "i4"), ("ShortStorage", "i2"), ("CharStorage", "i1"), ("ByteStorage", "u1")],
    ],
)
@pytest.mark.parametrize("byteorder", ["little", "big", None])
def test_every_kind_of_number_is_read_in_either_byte_order(path, kind, dtype, byteorder):
    numbers = np.array([1, 2, 100])
    content = numbers.astype((">" if byteorder == "big" else "<") + dtype).tobytes()
    values = read_one(path, tensor(storage("0", 3, kind), (3,), (1,)), content, byteorder=byteorder)
    assert values.dtype == np.dtype(dtype)
    assert values.dtype.isnative
    np.testing.assert_array_equal(values, numbers)


def test_bfloat16_is_widened_to_float32(path):
    # sign 1, exponent 8, fraction 7 bits: 0x3f80 is 1, 0xc049 is -(1 + 73 / 128) * 2
    for order in ("little", "big"):
        content = b"".join(bits.to_bytes(2, order) for bits in (0x3F80, 0xC049))
        values = read_one(path, tensor(storage("0", 2, "BFloat16Storage"), (2,), (1,)), content, byteorder=order)
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, [1.0, -3.140625])


def test_truth_values_and_names_of_dtypes_are_read(path):
    body = mapping({"mask": tensor(storage("0", 2, "BoolStorage"), (2,), (1,)), "kept": name("torch", "float16")})
    content = torch_pickle.read(write_zip(path, body, {"0": b"\1\0"}))
    assert content["mask"].tolist() == [True, False]
    assert content["kept"] == "float16"


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "expected"),
    [
        ((2, 3), (3, 1), 0, [[0, 1, 2], [3, 4, 5]]),
        ((3, 2), (1, 3), 0, [[0, 3], [1, 4], [2, 5]]),  # transposed in PyTorch before it was saved
        ((2, 2), (3, 2), 1, [[1, 3], [4, 6]]),
        ((2,), (1,), 4, [4, 5]),
        ((), (), 3, 3),
        ((2, 2), (0, 1), 1, [[1, 2], [1, 2]]),  # expanded
        ((0, 4), (4, 1), 0, np.zeros((0, 4))),
    ],
)
def test_strides_and_offsets_count_elements(path, shape, strides, offset, expected):
    body = tensor(storage("0", 7), shape, strides, offset)
    values = read_one(path, body, np.arange(7, dtype="<f4").tobytes())
    np.testing.assert_array_equal(values, expected)


def test_tensors_of_one_storage_share_memory(path):
    source = storage("0", 6)
    body = mapping({"whole": tensor(source, (6,), (1,)), "end": tensor(source, (2,), (1,), 4)})
    for content in (
        torch_pickle.read(write_zip(path, body, {"0": SIX.tobytes()})),
        torch_pickle.read(write_legacy(path, body, {"0": SIX})),
    ):
        assert content["end"].tolist() == [4, 5]
        content["whole"][4] = 9
        assert content["end"].tolist() == [9, 5]


def test_parameters_and_what_lies_beside_tensors_are_read(path):
    weight = array("0", SIX)
    parameter = name("torch._utils", "_rebuild_parameter") + together(weight, b"\x88", b"N") + b"R"
    size = name("torch", "Size") + together(together(integer(2), integer(3))) + b"R"
    body = {"epoch": integer(12), "state_dict": ordered({"weight": parameter}), "size": size, "loss": b"](K\1Ne"}
    content = torch_pickle.read(write_zip(path, mapping(body), {"0": SIX.tobytes()}))
    np.testing.assert_array_equal(content["state_dict"]["weight"], SIX)
    assert (content["epoch"], content["size"], content["loss"]) == (12, (2, 3), [1, None])


def test_the_format_before_zip_is_read(path):
    whole = SIX.reshape(2, 3)
    body = ordered({"a": array("94", whole), "b": tensor(storage("12", 2, "LongStorage", b"N"), (2,), (1,))})
    state = torch_pickle.read(write_legacy(path, body, {"94": whole, "12": np.array([3, 1 << 40])}))
    np.testing.assert_array_equal(state["a"], whole)
    assert state["b"].tolist() == [3, 1 << 40]


def marker(folder):
    return text(f"touch {folder / 'ran'}")


def script(folder):
    return text(f"open('{folder / 'ran'}', 'w').close()")


HOSTILE = {
    "posix.system": lambda folder: name("posix", "system") + together(marker(folder)) + b"R",
    "os.system": lambda folder: name("os", "system") + together(marker(folder)) + b"R",
    "builtins.eval": lambda folder: name("builtins", "eval") + together(script(folder)) + b"R",
    "builtins.exec": lambda folder: name("builtins", "exec") + together(script(folder)) + b"R",
    "builtins.getattr": lambda folder: name("builtins", "getattr") + together(b"}", text("get")) + b"R",
    "subprocess.Popen": lambda folder: b"(" + marker(folder) + b"isubprocess\nPopen\n",  # INST
    "torch.load": lambda folder: name("torch", "load") + together(text("other.pth")) + b"R",
    "torch._utils.np.load": lambda folder: text("torch._utils") + text("np.load") + b"\x93",  # STACK_GLOBAL
    "collections.OrderedDict.fromkeys": lambda folder: text("collections") + text("OrderedDict.fromkeys") + b"\x93",
    "torch.FloatStorage.__class__": lambda folder: text("torch") + text("FloatStorage.__class__") + b"\x93",
    "numpy.core.multiarray._reconstruct": lambda folder: name("numpy.core.multiarray", "_reconstruct"),
    "__main__.Network": lambda folder: name("__main__", "Network") + b")\x81",  # NEWOBJ: a whole model
    "torch.ComplexFloatStorage": lambda folder: storage("0", 1, "ComplexFloatStorage"),
}


@pytest.mark.parametrize("asked", HOSTILE)
@pytest.mark.parametrize("place", ["plain", "nested", "key", "legacy"])
def test_whatever_else_is_asked_for_is_named_and_not_run(tmp_path, path, asked, place):
    attack = HOSTILE[asked](tmp_path)
    if place == "nested":
        write_zip(path, mapping({"state_dict": ordered({"w": tensor(attack, (1,), (1,))})}))
    elif place == "legacy":
        write_legacy(path, mapping({"x": attack}))
    else:
        write_zip(path, mapping({"x": attack}) if place == "plain" else b"}" + attack + b"Ns")
    with pytest.raises(UsageError) as refusal:
        torch_pickle.read(path)
    assert f"It asks for '{asked}', which builds no tensor" in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert os.listdir(tmp_path) == ["best.pth"]


def test_the_attacks_above_do_run_in_a_plain_unpickler(tmp_path):
    """Otherwise their refusal would prove nothing."""
    for asked in ("posix.system", "os.system", "builtins.eval"):
        pickle.loads(program(HOSTILE[asked](tmp_path)))
        (tmp_path / "ran").unlink()


OTHERS = mapping({"values": tensor(storage("0", 6), (3,), (1,), 3)})


@pytest.mark.parametrize(
    "change",
    [
        name("collections", "OrderedDict") + mapping({"x": integer(1)}) + b"b",
        name("torch", "Size") + together(b"N", mapping({"__len__": integer(1)})) + b"b",
        storage("0", 6) + OTHERS + b"b",
        storage("0", 6) + together(b"N", OTHERS) + b"b",
        array("0", SIX) + together(integer(1), together(integer(9)), b"N", b"\x89", text("")) + b"b",
    ],
    ids=["class", "type", "attribute", "slot", "array"],
)
def test_a_pickle_cannot_change_what_it_was_given(path, change):
    """BUILD sets attributes, of classes and of the unpickler's own objects as well."""
    write_zip(path, mapping({"x": change, "y": array("0", SIX)}), {"0": SIX.tobytes()})
    with pytest.raises(UsageError, match="damaged"):
        torch_pickle.read(path)
    assert not hasattr(torch_pickle._Dict, "x")


@pytest.mark.parametrize("word", ["_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"])
def test_what_a_pickle_does_to_a_function_ends_with_it(path, word):
    function = name("torch._utils", word)
    change = function + together(b"N", mapping({"__defaults__": together(integer(1))})) + b"b"
    write_zip(path, mapping({"x": change, "y": array("0", SIX)}), {"0": SIX.tobytes()})
    np.testing.assert_array_equal(torch_pickle.read(path)["y"], SIX)
    fresh = torch_pickle._Unpickler(program(function), None).load()
    assert fresh.__defaults__ is None


def test_attributes_of_a_state_dict_do_not_hide_its_methods(path):
    hiding = name("collections", "OrderedDict") + b")R" + mapping({"items": b"N", "keys": b"N"}) + b"b"
    assert list(torch_pickle.read(write_zip(path, hiding)).items()) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (tensor(storage("0", 6), (7,), (1,)), "tensor of (7,) elements on a storage of 6"),
        (tensor(storage("0", 6), (2, 3), (4, 1)), "on a storage of 6"),
        (tensor(storage("0", 6), (2,), (1,), offset=5), "on a storage of 6"),
        (tensor(storage("0", 6), (1 << 40, 1 << 40), (0, 0)), "on a storage of 6"),
        (tensor(storage("0", 6), (2,), (1 << 62,)), "on a storage of 6"),
        (tensor(storage("0", 6), (2,), (-1,), offset=3), "something other than a storage and sizes"),
        (tensor(storage("0", 6), (2,), (1,), offset=-1), "something other than a storage and sizes"),
        (tensor(storage("0", 6), (2, 3), (1,)), "something other than a storage and sizes"),
        (tensor(array("0", SIX), (6,), (1,)), "something other than a storage and sizes"),
        (tensor(b"}", (6,), (1,)), "something other than a storage and sizes"),
        (tensor(storage("0", 5), (5,), (1,)), "Storage '0' has 24 bytes. Received: 5 of f4"),
        (tensor(storage("0", 6, "DoubleStorage"), (6,), (1,)), "Storage '0' has 24 bytes. Received: 6 of f8"),
        (tensor(storage("0", 1 << 60), (6,), (1,)), "Storage '0' has 24 bytes"),
        (tensor(storage("0", -6), (6,), (1,)), "Storage '0' has 24 bytes"),
        (tensor(storage("1", 6), (6,), (1,)), "best/data/1"),
        (tensor(storage("../version", 6), (6,), (1,)), "best/data/../version"),
        (together(text("storage"), text("os"), text("0"), b"N", integer(6)) + b"Q", "by kind, key and count"),
        (together(text("storage"), text("f4"), integer(0), b"N", integer(6)) + b"Q", "by kind, key and count"),
        (together(text("storage"), text("f4"), text("0"), b"N", text("6")) + b"Q", "by kind, key and count"),
        (together(array("0", SIX), tensor(storage("0", 3, "DoubleStorage"), (3,), (1,))), "6 of f4 as 3 of f8"),
        (integer(1) + b"Q", "damaged: TypeError"),
        (text("x") + b")R", "damaged: TypeError"),  # calls a text
    ],
)
def test_tensors_and_storages_that_lie_are_refused(path, body, message):
    with pytest.raises(UsageError) as refusal:
        read_one(path, body, SIX.tobytes())
    assert message in str(refusal.value)


@pytest.mark.parametrize("writer", [write_zip, write_legacy])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"}r\xf0\xff\xff\xff", "a memo larger than itself. Received: 4294967280"),  # LONG_BINPUT: 64 GB of memo
        (b"}p4294967280\n", "a memo larger than itself"),  # PUT
        (b"B\xff\xff\xff\x7fabc", "damaged: ValueError: 'expected 2147483647 bytes"),  # BINBYTES
        (b"\x96" + b"\xff" * 7 + b"\x00abc", "damaged: ValueError"),  # BYTEARRAY8
        (text("x" * (5 << 20)), "longer than 4194304 bytes"),
        (b"](K\1K\2e", "holds no dict of tensors. Received: list"),
    ],
)
def test_pickles_that_lie_about_their_size_are_refused_before_they_run(path, writer, body, message):
    with pytest.raises(UsageError) as refusal:
        torch_pickle.read(writer(path, body))
    assert message in str(refusal.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(path, method):
    bomb = tensor(storage("0", 1 << 22), (1 << 22,), (1,))
    write_zip(path, mapping({"x": bomb}), {"0": bytes(1 << 24)}, compression=method)
    assert path.stat().st_size < 1 << 16
    with pytest.raises(UsageError, match=r"is compressed, which torch\.save never does"):
        torch_pickle.read(path)


def test_members_of_a_zip_that_overlap_are_refused(path):
    """Twenty members that are the same bytes of the file: a bomb without compression."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("best/data.pkl", program(b"}"))
        archive.writestr("best/data/0", bytes(10_000))
        inside = archive.getinfo("best/data/0")
        archive.filelist += [inside] * 20
    with pytest.raises(UsageError, match="The members of the archive are larger than the file"):
        torch_pickle.read(path)


@pytest.mark.parametrize(
    ("storages", "message"),
    [
        ({}, "1 storages are missing, the first '0'"),
        ({"0": SIX[:5]}, "Storage '0' has 5 elements. Received: 6"),
        ({"0": SIX, "1": SIX}, "a storage that no tensor uses"),
    ],
)
def test_storages_that_do_not_fit_the_older_format_are_refused(path, storages, message):
    with pytest.raises(UsageError) as refusal:
        torch_pickle.read(write_legacy(path, mapping({"x": array("0", SIX)}), storages))
    assert message in str(refusal.value)


@pytest.mark.parametrize("count", [1 << 40, -1])
def test_the_older_format_takes_no_memory_for_storages_larger_than_the_file(path, count):
    body = mapping({"x": tensor(storage("0", count), (1,), (1,))})
    with pytest.raises(UsageError, match="Its storages are larger than the file"):
        torch_pickle.read(write_legacy(path, body, {"0": SIX}))


@pytest.mark.parametrize("writer", [write_zip, write_legacy])
def test_a_file_cut_anywhere_is_refused(path, writer):
    body = mapping({"x": array("0", SIX)})
    whole = writer(path, body, {"0": SIX}).read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError, match="was not loaded"):
            torch_pickle.read(path)


def test_a_flipped_bit_of_the_weights_is_found(path):
    write_zip(path, mapping({"x": array("0", SIX)}), {"0": SIX.tobytes()})
    content = bytearray(path.read_bytes())
    content[content.index(SIX.tobytes()) + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match="Bad CRC-32"):
        torch_pickle.read(path)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", pickle.dumps({"x": 1}), b"PK\x03\x04"])
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"best\.pth was not loaded"):
        torch_pickle.read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for place in (tmp_path / "nowhere.pth", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            torch_pickle.read(place)
