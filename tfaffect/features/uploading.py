"""A table at an address: it is made on this machine, and written to the address when it is complete."""

from __future__ import annotations

import errno
import hashlib
from contextlib import suppress
from pathlib import Path

from tfaffect.errors import UsageError
from tfaffect.features.plan import Plan
from tfaffect.files import buckets, remote
from tfaffect.files.paths import cache_folder


def local_file(out: Path) -> Path:
    """Return the file of this machine in which a table is made: `out`, or one in the cache for an address.

    It is the same for the same address, so that --resume finds it. Raises UsageError for an address of the web.
    """
    if (url := remote.address(out)) is None:
        return out
    remote.to_path(url)
    if not buckets.is_writable(out):
        raise UsageError(f"Files can be written to gs:// and s3://, not to the web. Received: --out {url}.")
    return cache_folder() / "uploads" / hashlib.sha256(url.encode()).hexdigest()[:16] / out.name


def check(plan: Plan, out: Path, resume: bool, overwrite: bool) -> None:
    """Raise UsageError for what would fail after the work: no permission to write `out`, or a table that exists."""
    for flag in ("annotate", "timeline", "nova", "elan"):
        path = getattr(plan, flag)
        if path is not None and (url := remote.address(path)):
            raise UsageError(f"--{flag} writes to this machine only. Received: {url}.")
    if (url := remote.address(out)) is None:
        return
    used = {remote.address(path) for path in (*(source.path for source in plan.sources), *plan.inputs)}
    try:
        for target in _targets(plan, out).values():
            if remote.address(target) in used:
                raise UsageError(f"{remote.address(target)} is an input and would be overwritten. Name another file.")
            if not (resume or overwrite) and remote.exists(target):
                raise UsageError(
                    f"{remote.address(target)} exists already. Name another file, or replace it with --overwrite."
                )
        if resume and not plan.is_started and remote.exists(out):
            raise UsageError(f"{url} is complete: there is nothing to resume.")
        buckets.check_writable(out)
    except OSError as error:
        reason = "there is no such bucket" if error.errno == errno.ENOENT else error.strerror
        raise UsageError(f"{url} cannot be written: {reason}. Name another file.") from error


def upload(plan: Plan, out: Path) -> None:
    """Write the complete files of a plan to the address `out`, the table last, and remove them here.

    Files of an earlier run that this one does not have are removed at the address. Does nothing without an address.
    """
    if (url := remote.address(out)) is None:
        return
    targets = _targets(plan, out)
    try:
        for path, target in reversed(targets.items()):
            if path.exists():
                buckets.upload(path, target)
            elif remote.exists(target):
                buckets.remove(target)
    except OSError as error:
        raise UsageError(
            f"{url} cannot be written: {error.strerror}. The table is complete in {plan.out}: copy it with the files "
            "beside it, or start again with --overwrite."
        ) from error
    for path in targets:
        path.unlink(missing_ok=True)
    with suppress(OSError):  # a killed process may have left something
        plan.out.parent.rmdir()


def _targets(plan: Plan, out: Path) -> dict[Path, Path]:
    """Return the files of the tables on this machine, the table of rows first, and their places at the address."""
    return {path: out.with_name(path.name) for path in plan.tables}
