"""What a process that meets hostile bytes gives up before it meets the first.

Once confined, a process opens nothing any more: no file, no socket, no other process. What the
system at hand does not offer is left out; the limits of resources are everywhere.
"""

import ctypes
import os
import resource
import struct
from pathlib import Path

_SET_DUMPABLE, _SET_NO_NEW_PRIVILEGES = 4, 38
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ASK_VERSION = 1
_CAPABILITIES = 0x20080522
_FILES_BY_VERSION = (0, 2**13 - 1, 2**14 - 1, 2**15 - 1, 2**15 - 1, 2**16 - 1)
"""What Landlock takes charge of: all that its version knows to be done with files."""
_NETWORK, _SCOPE = 3, 3

_FIRST_VICTIM = "800"


def confine(*, memory: int, files: int) -> None:
    """Give up all that is not needed to turn bytes into pixels; it cannot be taken back.

    Args:
        memory: Bytes of its own that the process may have.
        files: It opens none whose number would be this or above.
    """
    _offer_itself()
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    library.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    _shut_out(library)
    for what, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, files),
    ):
        resource.setrlimit(what, (most, most))
    # As root it could take all of this back; without its powers root is anybody.
    library.capset(struct.pack("=Ii", _CAPABILITIES, 0), bytes(24))


def _offer_itself() -> None:
    """Let the system end this process first when memory runs out: another takes its place."""
    try:
        Path("/proc/self/oom_score_adj").write_text(_FIRST_VICTIM)
    except OSError:  # no /proc, or not allowed: it is a courtesy
        return


def _shut_out(library: ctypes.CDLL) -> None:
    """Let Landlock refuse every file, every TCP port, and signals to others, where there is one."""
    version = library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
    if version < 1:
        return
    handled = (
        _FILES_BY_VERSION[min(version, len(_FILES_BY_VERSION) - 1)],
        *([_NETWORK] if version >= 4 else []),
        *([_SCOPE] if version >= 6 else []),
    )
    rules = struct.pack(f"={len(handled)}Q", *handled)
    ruleset = library.syscall(_CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset >= 0:
        library.syscall(_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)
