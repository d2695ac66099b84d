"""The trial guest: a ROM that does what the kernel of a guest does in its first second, and reports through a port whether it went well.

A BIOS boot proves nothing. Where KVM runs inside another hypervisor, real mode may be emulated faithfully while a 64-bit kernel stalls or
dies. So this guest goes where kernels go: long mode, a kernel mapped in the upper half of the address space, a second page table without
the lower one, ring 3 and back by `sysret` and `syscall`, timer interrupts from the local APIC in both rings, page faults that are mended
by the handler, and the same computation in ring 3 and in ring 0, whose results must agree. It does a fixed amount of work, so the CPU time
that it takes under KVM and under emulation can be compared, however busy the host is. It never halts while it works: a guest that gets no
interrupts uses CPU time and not patience.

The machine code stands below as a listing, bytes on the left, so that the product needs no assembler. A kernel of the host would be a
better witness, but most hosts keep theirs unreadable, and containers have none.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

PORT = 0xF4
"""The port of QEMU's `isa-debug-exit`; what is written there ends QEMU with twice the value and one."""
PASSED = 0x31 * 2 + 1
MISCOUNTED = 0x32 * 2 + 1
"""The results of ring 3 and ring 0 differ, or pages did not fault as often as they had to."""
STRAYED = 0x33 * 2 + 1
"""An exception where none may be."""

_HIGH = 0xFFFFFFFF80000000
_RAM = 0x10000
"""Where the loader copies the first pages of the ROM: tables, kernel, user code."""
_TABLES = {name: _RAM + 0x1000 * place for place, name in enumerate(("boot", "run", "low", "high", "big", "user", "middle", "last"))}
_GDT, _IDT, _TSS, _GDT_POINTER, _IDT_POINTER, _CPU = 0x18000, 0x18100, 0x18500, 0x18600, 0x18610, 0x18800
_KERNEL, _USER, _USER_DATA, _USER_STACK, _STACK_TOP = 0x19000, 0x1A000, 0x1B000, 0x1C000, 0x1F000
_COPIED = 0xB000
_ROM, _LOADER, _RESET = 0x10000, 0xF000, 0xFFF0
_APIC = 0xFEE00000
_PAGE_FAULT, _TIMER = 14, 0x20

_LOADER_CODE = """
start:
    fa                        cli
    fc                        cld
    b800f0                    mov $0xF000,%ax
    8ed8                      mov %ax,%ds
    b80010                    mov $0x1000,%ax
    8ec0                      mov %ax,%es
    31f6                      xor %si,%si
    31ff                      xor %di,%di
    b90058                    mov $0x5800,%cx
    f3a5                      rep movsw
    2e660f01162cf0            lgdtl %cs:(0xF000+gp-start)
    0f20c0                    mov %cr0,%eax
    0c01                      or $1,%al
    0f22c0                    mov %eax,%cr0
    66ea32f00f000800          ljmpl $0x08,$(0xFF000+start32-start)
gp:
    4700                      .word 0x47
    00800100                  .long 0x18000
start32:
    b818000000                mov $0x18,%eax
    8ed8                      mov %eax,%ds
    8ec0                      mov %eax,%es
    8ed0                      mov %eax,%ss
    0f20e0                    mov %cr4,%eax
    83c820                    or $0x20,%eax
    0f22e0                    mov %eax,%cr4
    b800000100                mov $0x10000,%eax
    0f22d8                    mov %eax,%cr3
    b9800000c0                mov $0xC0000080,%ecx
    0f32                      rdmsr
    0d01090000                or $0x901,%eax
    0f30                      wrmsr
    0f20c0                    mov %cr0,%eax
    0d00000180                or $0x80010000,%eax
    0f22c0                    mov %eax,%cr0
    ea009001001000            ljmp $0x10,$0x19000
"""
"""Real mode, then 32 bits, then long mode with the lower half mapped onto itself. The numbers 47 and 18000 are the size and place of the
table of segments."""

_KERNEL_CODE = """
low:
    48b80c900180ffffffff      movabs $(H+0x19000+high-low),%rax
    ffe0                      jmp *%rax
high:
    0f01142500860180          lgdt H+0x18600
    0f011c2510860180          lidt H+0x18610
    b838000000                mov $0x38,%eax
    0f00d8                    ltr %ax
    b800100100                mov $0x11000,%eax
    0f22d8                    mov %rax,%cr3
    48c7c400f00180            mov $(H+0x1F000),%rsp
    31c0                      xor %eax,%eax
    8ed8                      mov %eax,%ds
    8ec0                      mov %eax,%es
    8ee0                      mov %eax,%fs
    8ee8                      mov %eax,%gs
    b9810000c0                mov $0xC0000081,%ecx
    31c0                      xor %eax,%eax
    ba10002000                mov $0x00200010,%edx
    0f30                      wrmsr
    ffc1                      inc %ecx
    b8c0900180                mov $(0x80019000+entry-low),%eax
    baffffffff                mov $-1,%edx
    0f30                      wrmsr
    b9840000c0                mov $0xC0000084,%ecx
    b800070000                mov $0x700,%eax
    31d2                      xor %edx,%edx
    0f30                      wrmsr
    b9020100c0                mov $0xC0000102,%ecx
    b800880180                mov $0x80018800,%eax
    baffffffff                mov $-1,%edx
    0f30                      wrmsr
    b0ff                      mov $0xff,%al
    e621                      out %al,$0x21
    e6a1                      out %al,$0xa1
    48c7c700002080            mov $(H+0x200000),%rdi
    c787f0000000ff010000      movl $0x1ff,0xf0(%rdi)
    c787e003000003000000      movl $0x3,0x3e0(%rdi)
    c7872003000020000200      movl $0x20020,0x320(%rdi)
    c7878003000024f40000      movl $62500,0x380(%rdi)
    b900000400                mov $0x40000,%ecx
    41bb02020000              mov $0x202,%r11d
    bc00300400                mov $0x43000,%esp
    480f07                    sysretq
entry:
    0f01f8                    swapgs
    654889242500000000        mov %rsp,%gs:0
    65488b242508000000        mov %gs:8,%rsp
    51                        push %rcx
    4153                      push %r11
    85c0                      test %eax,%eax
    7577                      jnz finish
    fb                        sti
    65488b042510000000        mov %gs:16,%rax
    48c7c700890180            mov $(H+0x18900),%rdi
    b990010000                mov $400,%ecx
    e8ce000000                call work
    654889042510000000        mov %rax,%gs:16
    fa                        cli
    31c0                      xor %eax,%eax
    65ff042518000000          incl %gs:24
    658b0c2518000000          mov %gs:24,%ecx
    f6c10f                    test $15,%cl
    7514                      jnz keep
    48c704251872018000000000  movq $0,H+0x17218
    0f013c2500300400          invlpg 0x43000
keep:
    81f9c05d0000              cmp $24000,%ecx
    720d                      jb leave
    65833c251c0000000a        cmpl $10,%gs:28
    7202                      jb leave
    ffc0                      inc %eax
leave:
    415b                      pop %r11
    59                        pop %rcx
    65488b242500000000        mov %gs:0,%rsp
    0f01f8                    swapgs
    480f07                    sysretq
finish:
    b032                      mov $0x32,%al
    6548393c2510000000        cmp %rdi,%gs:16
    7510                      jne report
    65813c2520000000e8030000  cmpl $1000,%gs:32
    7202                      jb report
    ffc8                      dec %eax
report:
    e6f4                      out %al,$0xf4
halt:
    f4                        hlt
    ebfd                      jmp halt
timer:
    50                        push %rax
    f644241003                testb $3,16(%rsp)
    7407                      jz acknowledge
    ff04251c880180            incl H+0x1881c
acknowledge:
    48c7c000002080            mov $(H+0x200000),%rax
    c780b000000000000000      movl $0,0xb0(%rax)
    58                        pop %rax
    48cf                      iretq
fault:
    50                        push %rax
    0f20d0                    mov %cr2,%rax
    483d00300400              cmp $0x43000,%rax
    751a                      jne wrong
    48c704251872018007d00100  movq $0x1d007,H+0x17218
    ff042520880180            incl H+0x18820
    58                        pop %rax
    4883c408                  add $8,%rsp
    48cf                      iretq
wrong:
    b033                      mov $0x33,%al
    e6f4                      out %al,$0xf4
halt:
    f4                        hlt
    ebfd                      jmp halt
work:
    4869c02df45158            imul $0x5851f42d,%rax,%rax
    480539300000              add $0x3039,%rax
    4889c2                    mov %rax,%rdx
    48c1ea38                  shr $56,%rdx
    83e23f                    and $0x3f,%edx
    483304d7                  xor (%rdi,%rdx,8),%rax
    488904d7                  mov %rax,(%rdi,%rdx,8)
    e805000000                call leaf
    ffc9                      dec %ecx
    75d8                      jnz work
    c3                        ret
leaf:
    48c1c007                  rol $7,%rax
    c3                        ret
"""
"""The kernel, at H + 19000, where H is the start of the upper half. `entry` is where `syscall` leads, `work` the computation."""

_USER_CODE = """
start:
    31db                      xor %ebx,%ebx
round:
    4889d8                    mov %rbx,%rax
    bf00100400                mov $0x41000,%edi
    b990010000                mov $400,%ecx
    e81c000000                call work
    4889c3                    mov %rax,%rbx
    890c2500300400            mov %ecx,0x43000
    31c0                      xor %eax,%eax
    0f05                      syscall
    85c0                      test %eax,%eax
    74dc                      jz round
    4889df                    mov %rbx,%rdi
    b801000000                mov $1,%eax
    0f05                      syscall
work:
    4869c02df45158            imul $0x5851f42d,%rax,%rax
    480539300000              add $0x3039,%rax
    4889c2                    mov %rax,%rdx
    48c1ea38                  shr $56,%rdx
    83e23f                    and $0x3f,%edx
    483304d7                  xor (%rdi,%rdx,8),%rax
    488904d7                  mov %rax,(%rdi,%rdx,8)
    e805000000                call leaf
    ffc9                      dec %ecx
    75d8                      jnz work
    c3                        ret
leaf:
    48c1c007                  rol $7,%rax
    c3                        ret
"""
"""What runs in ring 3, at 40000; its data is at 41000, its stack at 42000, and 43000 is the page that faults."""


class _Code(NamedTuple):
    content: bytes
    labels: Mapping[str, int]


def build() -> bytes:
    """Return the ROM, 64 KiB with the reset vector at its end."""
    kernel = _read(_KERNEL_CODE)
    memory = bytearray(_COPIED)
    _put_pages(memory)
    _put_segments(memory)
    _put_interrupts(memory, kernel)
    _put(memory, _CPU + 8, "<Q", _HIGH + _STACK_TOP)
    for place, code in ((_KERNEL, kernel), (_USER, _read(_USER_CODE))):
        memory[place - _RAM : place - _RAM + len(code.content)] = code.content
    rom = bytearray(memory.ljust(_ROM, b"\0"))
    loader = _read(_LOADER_CODE).content
    rom[_LOADER : _LOADER + len(loader)] = loader
    rom[_RESET : _RESET + 5] = bytes.fromhex("ea00f000f0")
    return bytes(rom)


def _read(listing: str) -> _Code:
    content, labels = b"", {}
    for line in listing.split("\n"):
        if line.endswith(":"):
            labels[line[:-1]] = len(content)
        elif line:
            content += bytes.fromhex(line.split()[0])
    return _Code(content, labels)


def _put(memory: bytearray, place: int, layout: str, *values: int) -> None:
    struct.pack_into(layout, memory, place - _RAM, *values)


def _put_pages(memory: bytearray) -> None:
    """Write the tables of pages: 3 is present and writable, 7 for ring 3 too, 83 a big page, 10 and 8 keep a device out of caches."""
    table = _TABLES

    def enter(name: str, entry: int, value: int) -> None:
        _put(memory, table[name] + 8 * entry, "<Q", value)

    enter("boot", 0, table["low"] + 3)
    enter("boot", 511, table["high"] + 3)
    enter("run", 0, table["user"] + 7)
    enter("run", 511, table["high"] + 3)
    enter("low", 0, table["big"] + 3)
    enter("high", 510, table["big"] + 3)
    enter("big", 0, 0x83)
    enter("big", 1, _APIC | 0x9B)
    enter("user", 0, table["middle"] + 7)
    enter("middle", 0, table["last"] + 7)
    for entry, page in ((0x40, _USER + 5), (0x41, _USER_DATA + 7), (0x42, _USER_STACK + 7)):
        enter("last", entry, page)


def _put_segments(memory: bytearray) -> None:
    """Write the table of segments in the order that `syscall` and `sysret` ask for, and the task whose stack interrupts in ring 3 use."""
    task = _HIGH + _TSS
    task_low = 0x67 | (task & 0xFFFFFF) << 16 | 0x89 << 40 | (task >> 24 & 0xFF) << 56
    code_32, kernel_code, kernel_data = 0x00CF9B000000FFFF, 0x00AF9B000000FFFF, 0x00CF93000000FFFF
    user_code_32, user_data, user_code = 0x00CFFB000000FFFF, 0x00CFF3000000FFFF, 0x00AFFB000000FFFF
    segments = (0, code_32, kernel_code, kernel_data, user_code_32, user_data, user_code, task_low, task >> 32)
    _put(memory, _GDT, f"<{len(segments)}Q", *segments)
    _put(memory, _GDT_POINTER, "<HQ", 8 * len(segments) - 1, _HIGH + _GDT)
    _put(memory, _TSS + 4, "<Q", _HIGH + _STACK_TOP)


def _put_interrupts(memory: bytearray, kernel: _Code) -> None:
    for vector in range(_TIMER + 1):
        label = {_PAGE_FAULT: "fault", _TIMER: "timer"}.get(vector, "wrong")
        place = _HIGH + _KERNEL + kernel.labels[label]
        _put(memory, _IDT + 16 * vector, "<HHBBHII", place & 0xFFFF, 0x10, 0, 0x8E, place >> 16 & 0xFFFF, place >> 32, 0)
    _put(memory, _IDT_POINTER, "<HQ", 16 * (_TIMER + 1) - 1, _HIGH + _IDT)
