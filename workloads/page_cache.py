"""Page cache of single files: drop it, and count what is left of it.

It reaches the files of one folder on one mount; unlike ``/proc/sys/vm/drop_caches`` it does not slow down
anything else on the node.
"""

from __future__ import annotations

from typing import Final

from clusters.host.commands import Completed
from workloads.pod_commands import Argv, OutputError

#: Shell function `resident FOLDER`: prints how many bytes of its files are in the page cache (fincore of
#: util-linux, mincore(2)).
RESIDENT: Final = r"""
resident() {
  total=0
  while read -r bytes; do total=$((total + bytes)); done < <(
    find "$1" -type f -print0 | xargs -0 -r fincore --bytes --noheadings --raw --output RES
  )
  echo "$total"
}
"""

#: Shell commands that drop the pages of all files below the folder "$1" (posix_fadvise, POSIX_FADV_DONTNEED),
#: and end the script with an error if that fails for a file.
DROP: Final = r"""
failed=$(find "$1" -type f ! -exec dd if={} iflag=nocache count=0 status=none \; -print)
[ -z "$failed" ] || { echo "cannot drop the pages of: $failed" >&2; exit 1; }
"""

#: Writes dirty pages, drops all, then prints the bytes that are still in memory, or a dash where the image
#: has no fincore.
_DROP_AND_COUNT: Final = (
    RESIDENT
    + 'sync -f "$1" || true'
    + DROP
    + 'command -v fincore > /dev/null || { echo -; exit 0; }\nresident "$1"\n'
)


def drop_argv(folder: str) -> Argv:
    """Command that drops the page cache of all files below a folder."""
    return ("bash", "-euc", _DROP_AND_COUNT, "drop", folder)


def bytes_left(completed: Completed) -> int | None:
    """Bytes that are in the page cache after `drop_argv`; None where the image cannot count them.

    Raises:
        OutputError: the command failed.
    """
    text = completed.stdout.strip()
    if completed.exit_code != 0 or not (text == "-" or text.isdecimal()):
        raise OutputError(completed, "how much of the page cache is left")
    return None if text == "-" else int(text)
