"""The program of the tiny guest that listens on vsock, which busybox cannot: an ELF of half a kilobyte.

It takes visitors and starts a handler for each, with the connection as its input and output, as inetd does. Each visitor has a process of
its own: a connection that a restored snapshot brought back leads to nobody, and would block all who come later. `socat` and QEMU's own
agent would bring more libraries than the whole guest has.

The machine code stands below as a listing, bytes on the left, so that building an image needs no compiler. It is for x86-64; on other
machines the guest goes without.
"""

import struct

PORT = 1024
"""Where our provider of Cloud Hypervisor looks for an agent."""
ARCHITECTURE = "amd64"

_FAMILY_VSOCK, _ANY = 40, 0xFFFFFFFF
_BASE, _HEADERS = 0x400000, 64 + 56
_FAMILY, _ADDRESS, _LENGTH, _PATH, _ARGUMENTS = 0x11111111, 0x22222222, 0x33333333, 0x44444444, 0x55555555
"""Stand in the listing for what is known only when the program is put together."""

_CODE = """
start:
    bf11111111        mov $FAMILY,%edi
    be01000800        mov $(SOCK_STREAM|SOCK_CLOEXEC),%esi
    31d2              xor %edx,%edx
    b829000000        mov $socket,%eax
    0f05              syscall
    89c3              mov %eax,%ebx
    85c0              test %eax,%eax
    0f88a4000000      js fail
    89df              mov %ebx,%edi
    be22222222        mov $ADDRESS,%esi
    ba33333333        mov $LENGTH,%edx
    b831000000        mov $bind,%eax
    0f05              syscall
    85c0              test %eax,%eax
    0f8589000000      jne fail
    89df              mov %ebx,%edi
    be10000000        mov $16,%esi
    b832000000        mov $listen,%eax
    0f05              syscall
    85c0              test %eax,%eax
    7577              jne fail
bury:
    4883cfff          or $-1,%rdi
    31f6              xor %esi,%esi
    ba01000000        mov $WNOHANG,%edx
    4531d2            xor %r10d,%r10d
    b83d000000        mov $wait4,%eax
    0f05              syscall
    85c0              test %eax,%eax
    7fe7              jg bury
    89df              mov %ebx,%edi
    31f6              xor %esi,%esi
    31d2              xor %edx,%edx
    b82b000000        mov $accept,%eax
    0f05              syscall
    89c5              mov %eax,%ebp
    85c0              test %eax,%eax
    78d4              js bury
    b839000000        mov $fork,%eax
    0f05              syscall
    85c0              test %eax,%eax
    740b              je visit
    89ef              mov %ebp,%edi
    b803000000        mov $close,%eax
    0f05              syscall
    ebbe              jmp bury
visit:
    89ef              mov %ebp,%edi
    31f6              xor %esi,%esi
    b821000000        mov $dup2,%eax
    0f05              syscall
    89ef              mov %ebp,%edi
    be01000000        mov $1,%esi
    b821000000        mov $dup2,%eax
    0f05              syscall
    89ef              mov %ebp,%edi
    b803000000        mov $close,%eax
    0f05              syscall
    bf44444444        mov $PATH,%edi
    be55555555        mov $ARGUMENTS,%esi
    31d2              xor %edx,%edx
    b83b000000        mov $execve,%eax
    0f05              syscall
fail:
    bf01000000        mov $1,%edi
    b83c000000        mov $exit,%eax
    0f05              syscall
"""


def build(handler: str) -> bytes:
    """Return the program that listens on the port of the agent and starts `handler` for each visitor."""
    return put_together(handler, _FAMILY_VSOCK, struct.pack("<HHIII", _FAMILY_VSOCK, 0, PORT, _ANY, 0))


def put_together(handler: str, family: int, address: bytes) -> bytes:
    """Return the program for any kind of socket; `address` is what the kernel calls a `sockaddr`."""
    code = b"".join(bytes.fromhex(line.split()[0]) for line in _CODE.split("\n") if line.startswith(" "))
    # The list of arguments comes first behind the code, so that it lies on a multiple of eight.
    arguments = _BASE + _HEADERS + len(code) + -(_HEADERS + len(code)) % 8
    place = arguments + 16
    path = place + len(address)
    values = {_FAMILY: family, _ADDRESS: place, _LENGTH: len(address), _PATH: path, _ARGUMENTS: arguments}
    for mark, value in values.items():
        code = code.replace(struct.pack("<I", mark), struct.pack("<I", value))
    body = code.ljust(arguments - _BASE - _HEADERS, b"\0") + struct.pack("<QQ", path, 0) + address + handler.encode() + b"\0"
    size = _HEADERS + len(body)
    header = b"\x7fELF" + bytes((2, 1, 1)).ljust(12, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    # One piece, readable and executable; nothing is written to.
    header += struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + body
