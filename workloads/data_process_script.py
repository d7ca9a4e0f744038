"""The script of a DataProcess, and its log: the mounts of its Pod, and all that it read.

No command runs in a Pod that has ended, so the script prints both itself, in Base64 because file names may
have any character.
"""

import base64
import binascii
import re
import shlex
from dataclasses import dataclass
from typing import Final

from clusters.host.commands import Completed
from workloads.pod_commands import OutputError, ReadResult, checksums_argv, read_result

_MOUNTS: Final = re.compile(r"^mounts (\S+)$", re.MULTILINE)
_CHECKSUMS: Final = re.compile(r"^checksums (\d+) (\S*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """Output of the script.

    Attributes:
        mounts: its ``/proc/self/mountinfo``.
        read: all that it read.
    """

    mounts: str
    read: ReadResult


def reading_script(folder: str) -> str:
    """A bash script that reads all files below ``folder`` and prints the result; it fails if a read does."""
    return f"""\
#!/bin/bash
set -o pipefail
echo "mounts $(base64 -w 0 < /proc/self/mountinfo)"
sums=$({shlex.join(checksums_argv(folder))} | base64 -w 0)
code=$?
echo "checksums $code $sums"
exit $code
"""


def parse_log(log: str) -> ScriptResult:
    """Parse the output of `reading_script` in the log of a Pod.

    Raises:
        OutputError: the log lacks a part of it.
    """
    whole = Completed(("reading-script",), 0, log, "")
    mounts, checksums = _MOUNTS.search(log), _CHECKSUMS.search(log)
    if mounts is None or checksums is None:
        raise OutputError(whole, "its mounts and what it read")
    try:
        mounted, sums = (base64.b64decode(text, validate=True).decode() for text in (mounts[1], checksums[2]))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OutputError(whole, "it in Base64") from error
    complaints = "\n".join(
        line for line in log.splitlines() if not line.startswith(("mounts ", "checksums "))
    )
    return ScriptResult(mounted, read_result(Completed(whole.argv, int(checksums[1]), sums, complaints)))
