"""Install peers into environments of their own, and run each in a process of its own on one core."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers_list import ADAPTERS, ROOT, Peer

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)
SOURCES = ("tfaffect", "tfrecords_builders", "models", "pyproject.toml", "README.md", "LICENSE")
MEGABYTE = 1e6


def install(peer: Peer, folder: Path) -> Path:
    """Install the packages of a peer into a new folder and return it. A folder that is there stays as it is."""
    if folder.exists():
        return folder
    print(f"installing {peer.environment.removeprefix('peer_')}", file=sys.stderr, flush=True)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if peer.in_node:
        partial.mkdir(parents=True)
        (partial / "package.json").write_text("{}")
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *peer.packages]
        subprocess.run(command, cwd=partial, check=True, stdout=sys.stderr)
    else:
        subprocess.run([sys.executable, "-m", "venv", partial], check=True)
        packages = [str(_copy_sources(partial / "source"))] if peer.ours else list(peer.packages)
        command = [str(partial / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-cache-dir", *packages]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return partial.rename(folder)


def _copy_sources(folder: Path) -> Path:
    """Copy the project, because pip leaves files of the build beside the sources."""
    folder.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def installed_megabytes(environment: Path) -> float:
    """Return the size of the packages in an environment, without pip."""
    folders = [environment / "node_modules", *environment.glob("lib/python*/site-packages")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.stat().st_size for path in files if not _is_pip(path)) / MEGABYTE


def _is_pip(path: Path) -> bool:
    return any(part == "pip" or part.startswith("pip-") for part in path.parts)


def weight_megabytes(peer: Peer, environment: Path) -> float | None:
    """Return the size of the files of a peer's expression network, None where they are downloaded.

    Raises FileNotFoundError when they are not where they should be.
    """
    if not peer.weights:
        return None
    files = [path for pattern in peer.weights for path in _matching(environment, pattern)]
    if not files:
        raise FileNotFoundError(f"{environment} has no weights of {peer.name} at {', '.join(peer.weights)}.")
    return sum(path.stat().st_size for path in files) / MEGABYTE


def _matching(environment: Path, pattern: str) -> Sequence[Path]:
    return [Path(pattern)] if Path(pattern).is_absolute() else list(environment.glob(pattern))


def run(peer: Peer, environment: Path, folder: Path, task: dict[str, Any]) -> dict[str, Any]:
    """Run a task (see peers_adapters/protocol.py) and return the reply.

    Raises RuntimeError with the end of the peer's messages when it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reply, messages = folder / "reply.json", folder / "messages.txt"
    reply.unlink(missing_ok=True)
    file = folder / "task.json"
    whole = {**task, "environment": str(environment), "options": peer.options, "reply": str(reply)}
    file.write_text(json.dumps(whole))
    program = "node" if peer.in_node else str(environment / "bin" / "python")
    with messages.open("wb") as stream:
        ended = subprocess.run(
            [program, str(ADAPTERS / peer.adapter), str(file)],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "2"},
            cwd=folder,
            preexec_fn=_use_one_core,
            check=False,
        )
    if ended.returncode or not reply.exists():
        end = messages.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{peer.name} ended with {ended.returncode}:\n{end}")
    return dict(json.loads(reply.read_text()))


def _use_one_core() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
