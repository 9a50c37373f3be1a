"""Floor 6. `torch.hub`: weights by their address, kept on disk, and entry points of a folder with a `hubconf.py`."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlparse

from . import io

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

HASH = re.compile(r"-([a-f0-9]{8,})\.")  # as in resnet18-f37072fd.pth

_dir: str | None = None


def get_dir() -> str:
    """Where files are kept: what `set_dir` was given, or `$TORCH_HOME/hub`, or PyTorch's own place below ~/.cache."""
    home = os.environ.get("TORCH_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    return _dir or os.path.join(os.path.expanduser(home), "hub")


def set_dir(d) -> None:
    """Keep files in this folder."""
    global _dir
    _dir = os.path.expanduser(d)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Fetch an address into a file, which is there whole or not at all.

    hash_prefix  how the SHA-256 of what comes must begin; RuntimeError where it does not
    progress     say on stderr what is fetched
    """
    if progress:
        print(f'Downloading: "{url}" to {dst}', file=sys.stderr)
    import urllib.request  # slow to import

    digest = hashlib.sha256()
    dst = os.path.expanduser(dst)
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(dst) or ".", delete=False) as part:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": "funcgrad"})) as source:
                while block := source.read(1 << 20):
                    part.write(block)
                    digest.update(block)
            part.close()
            if hash_prefix is not None and digest.hexdigest()[: len(hash_prefix)] != hash_prefix:
                raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")')
            shutil.move(part.name, dst)
        finally:
            part.close()
            Path(part.name).unlink(missing_ok=True)


_download_url_to_file = download_url_to_file  # an older name


def load_state_dict_from_url(url: str, model_dir: str | None = None, map_location=None, progress: bool = True,
                             check_hash: bool = False, file_name: str | None = None,
                             weights_only: bool = True):  # fmt: skip
    """`load` of what is at an address, fetched once and kept in `model_dir`, by default `get_dir()/checkpoints`.

    check_hash  the file's name says how its hash begins, `name-<hash>.ext`, and it must
    """
    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    file = os.path.join(folder, name)
    if not os.path.exists(file):
        found = HASH.search(name) if check_hash else None
        download_url_to_file(url, file, found.group(1) if found else None, progress)
    return io.load(file, map_location=map_location, weights_only=weights_only)


load_url = load_state_dict_from_url  # its name in torch.utils.model_zoo


def _entries(repo_or_dir: str, source: str):
    """The module `hubconf.py` of a folder."""
    if source != "local":
        raise ValueError(
            f"funcgrad.hub runs no code that it would have to fetch first (source={source!r}): get the repository, and "
            'give its folder with source="local"'
        )
    file = os.path.join(os.path.expanduser(repo_or_dir), "hubconf.py")
    spec = importlib.util.spec_from_file_location("hubconf", file)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, os.path.dirname(file))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(os.path.dirname(file))
    missing = [name for name in getattr(module, "dependencies", ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _entry(repo_or_dir: str, model: str, source: str):
    found = getattr(_entries(repo_or_dir, source), model, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return found


def list(github: str, force_reload: bool = False, skip_validation: bool = False, trust_repo=None, verbose: bool = True,
         source: str = "local"):  # fmt: skip
    """The names of a folder's entry points."""
    found = vars(_entries(github, source))
    return [name for name, f in found.items() if callable(f) and not name.startswith("_")]


def help(github: str, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo=None,
         source: str = "local"):  # fmt: skip
    """The docstring of an entry point."""
    return _entry(github, model, source).__doc__


def load(repo_or_dir: str, model: str, *args, source: str = "github", trust_repo=None, force_reload: bool = False,
         verbose: bool = True, skip_validation: bool = False, **kwargs):  # fmt: skip
    """What the entry point `model` in a folder's `hubconf.py` gives, called with what is left of the arguments.

    source  "local"; PyTorch's default, "github", raises ValueError: no code is fetched here
    """
    return _entry(repo_or_dir, model, source)(*args, **kwargs)
