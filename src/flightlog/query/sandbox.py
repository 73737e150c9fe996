"""What a process gives up before it runs somebody's SQL, with nothing but the standard library.

On Linux: no new privileges, Landlock (only the named files can be opened, nothing is written outside the temporary folder, no TCP,
no signal to others) and seccomp (no program is started, no process forked, no socket made, no other process looked at, no limit
raised). Everywhere: limits of address space, processor time, file size and open files. What the kernel does not have is left
out, and named in what is returned.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable, Sequence

EPERM, ENOSYS = 1, 38
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
OPEN_FILES_SPARE = 64  # beside the files of the archive
# What DuckDB looks at when it starts, to learn how many processors and how much memory there are; without them it aborts.
SYSTEM = ("/proc/self/cgroup", "/proc/stat", "/sys/devices/system/cpu/online", "/sys/fs/cgroup")

# ── Landlock (linux/landlock.h) ──────────────────────────────────────────────────────────────────────────────────────

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _TRUNCATE = 1 << 7, 1 << 8, 1 << 14
_OWN_FOLDER = _WRITE_FILE | _READ_FILE | _READ_DIR | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_FILE_RIGHTS = (1 << 16) - 1  # from version 5 on
_ALL_NET, _ALL_SCOPES = 0b11, 0b11


def landlock(libc: ctypes.CDLL, files: Iterable[str], folder: str) -> bool:
    """From now on this thread, and those it starts, open these files for reading, what is in the folder, and nothing else."""
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    handled = _FILE_RIGHTS.get(version, _ALL_FILE_RIGHTS)
    attributes = struct.pack("=QQQ", handled, _ALL_NET if version >= 4 else 0, _ALL_SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if rules < 0:
        return False
    try:
        named = [(folder, _OWN_FOLDER), *((file, _READ_FILE) for file in files)]
        for path, rights in [*named, *((file, _READ_FILE) for file in SYSTEM if os.path.exists(file))]:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", rights & handled, place)
                if libc.syscall(_ADD, ctypes.c_int(rules), ctypes.c_int(1), rule, ctypes.c_uint32(0)) != 0:
                    return False
            finally:
                os.close(place)
        return bool(libc.syscall(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0)) == 0)
    finally:
        os.close(rules)


# ── seccomp ──────────────────────────────────────────────────────────────────────────────────────────────────────────

# What is refused, with the numbers on x86_64 and aarch64 (None: not there).
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setrlimit": (160, 164), "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setresuid": (117, 147),
    "setgroups": (116, 159), "capset": (126, 91), "personality": (135, 92),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55),
    "lchown": (94, None), "fchownat": (260, 54), "link": (86, None), "linkat": (265, 37), "symlink": (88, None),
    "symlinkat": (266, 36), "mknod": (133, None), "mknodat": (259, 33), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "shmget": (29, 194), "shmat": (30, 196), "mq_open": (240, 180), "memfd_create": (319, 279),
}  # fmt: skip
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_CLONE, _CLONE3, _TGKILL, _PRLIMIT = (56, 220), 435, (234, 131), (302, 261)
_CLONE_THREAD = 0x00010000
_SECCOMP, _SET_FILTER, _TO_ALL_THREADS = (317, 277), 1, 1
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENT_AT = 0, 4, 16


def seccomp(libc: ctypes.CDLL) -> bool:
    """From now on no thread of this process makes any of the refused calls: they answer that it is not permitted."""
    if platform.machine() not in _MACHINES or sys.byteorder != "little":
        return False
    machine, arch = _MACHINES[platform.machine()]
    program = _program(machine, arch, os.getpid())
    filter_ = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(filter_))
    number = _SECCOMP[machine]
    done = libc.syscall(number, ctypes.c_uint(_SET_FILTER), ctypes.c_uint(_TO_ALL_THREADS), head)
    return bool(done == 0)


def _program(machine: int, arch: int, pid: int) -> bytes:
    """The filter in the kernel's BPF: see seccomp(2). Arguments are looked at by their lower halves."""
    refuse = _step(_RETURN, _ERRNO | EPERM)
    steps = [
        _step(_LOAD, _ARCH_AT),
        _step(_JUMP_EQUAL, arch, 1, 0),
        refuse,
        _step(_LOAD, _NUMBER_AT),
    ]
    if machine == 0:  # the x32 calls have the same numbers with a bit set
        steps += [_step(_JUMP_GREATER_EQUAL, 0x40000000, 0, 1), refuse]
    for numbers in _REFUSED.values():
        number = numbers[machine]
        if number is not None:
            steps += [_step(_JUMP_EQUAL, number, 0, 1), refuse]
    # glibc falls back to clone, whose flags can be looked at: threads only.
    steps += [_step(_JUMP_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _ERRNO | ENOSYS)]
    steps += [
        _step(_JUMP_EQUAL, _CLONE[machine], 0, 4),
        _step(_LOAD, _ARGUMENT_AT),
        _step(_JUMP_SET, _CLONE_THREAD, 1, 0),
        refuse,
        _step(_RETURN, _ALLOW),
    ]
    steps += [  # a signal to itself, as abort() sends it
        _step(_JUMP_EQUAL, _TGKILL[machine], 0, 4),
        _step(_LOAD, _ARGUMENT_AT),
        _step(_JUMP_EQUAL, pid, 1, 0),
        refuse,
        _step(_RETURN, _ALLOW),
    ]
    steps += [  # limits are read, not set: the third argument is a pointer to the new ones
        _step(_JUMP_EQUAL, _PRLIMIT[machine], 0, 6),
        _step(_LOAD, _ARGUMENT_AT + 16),
        _step(_JUMP_EQUAL, 0, 0, 2),
        _step(_LOAD, _ARGUMENT_AT + 20),
        _step(_JUMP_EQUAL, 0, 1, 0),
        refuse,
        _step(_RETURN, _ALLOW),
    ]
    steps.append(_step(_RETURN, _ALLOW))
    return b"".join(steps)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


# ── all together ─────────────────────────────────────────────────────────────────────────────────────────────────────


def limit(memory_bytes: int, cpu_seconds: int, file_bytes: int, files: int) -> None:
    """Limits that hold for the rest of this process."""
    for what, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, files + OPEN_FILES_SPARE),
    ):
        _, hard = resource.getrlimit(what)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(what, (most, most))
        except (OSError, ValueError):
            continue  # such as the address space on macOS


def give_up(files: Sequence[str], folder: str) -> list[str]:
    """Give up everything that reading these files and working in this folder does not need; what held: some of
    `no_new_privs`, `landlock`, `seccomp`. To be called before any thread is started that runs a query."""
    if not sys.platform.startswith("linux"):
        return []
    libc = ctypes.CDLL(None, use_errno=True)
    held = []
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        held.append("no_new_privs")
    if landlock(libc, files, folder):
        held.append("landlock")
    if seccomp(libc):
        held.append("seccomp")
    return held
