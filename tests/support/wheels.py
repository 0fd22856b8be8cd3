"""Wheels made by hand, and a build backend that makes them: packages to install without any index.

The file is also the `backend.py` of the projects that tests set up.
"""

import base64
import hashlib
import os
import zipfile
from collections.abc import Mapping


def write_wheel(folder: str, name: str, version: str, files: Mapping[str, str], script: str = "") -> str:
    """Write `<name>-<version>-py3-none-any.whl` into `folder`; its file name.

    `files` are text by path; `script` is "command = module:function".
    """
    info = f"{name}-{version}.dist-info"
    contents = dict(files)
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    contents[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if script:
        contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script}\n"
    record = [f"{path},{_digest(text)},{len(text.encode())}\n" for path, text in contents.items()]
    contents[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"])
    wheel = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def build_editable(
    wheel_directory: str, config_settings: object = None, metadata_directory: object = None
) -> str:
    """PEP 660, for a project whose command `celery-desk` is `main:main`."""
    root = os.getcwd()
    return write_wheel(
        wheel_directory, "celery_desk", "0", {"celery_desk.pth": root + "\n"}, "celery-desk = main:main"
    )
