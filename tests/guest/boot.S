/* SPDX-License-Identifier: MIT */
/*
 * From the multiboot loader to guest_main(): flat 32-bit protected mode, no paging, a stack, our own segment table
 * (the loader's may already be gone), and the entry points of traps and of the timer interrupt.
 */
#define MULTIBOOT_MAGIC   0x1badb002
#define MULTIBOOT_FLAGS   0x00000002            /* we want to know the memory size */

#define CODE_SEGMENT      0x08
#define DATA_SEGMENT      0x10
#define STACK_SIZE        16384

        .section .multiboot, "a"
        .balign 4
        .long   MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

        .text
        .globl  boot_entry
boot_entry:
        cli
        cld
        lgdt    gdt_pointer
        ljmp    $CODE_SEGMENT, $1f
1:      mov     $DATA_SEGMENT, %ecx
        mov     %ecx, %ds
        mov     %ecx, %es
        mov     %ecx, %fs
        mov     %ecx, %gs
        mov     %ecx, %ss
        mov     $stack_top, %esp
        push    %ebx                            /* struct multiboot_info */
        push    %eax                            /* the loader's magic */
        call    guest_main
1:      cli
        hlt
        jmp     1b

/*
 * One entry per CPU exception, eight bytes each: trap_entries[n] pushes n.  They never return, so nothing is saved and it
 * does not matter that some exceptions push an error code.
 */
        .globl  trap_entries
        .balign 8
trap_entries:
        number = 0
        .rept   32
        .balign 8
        push    $number
        jmp     trap_common
        number = number + 1
        .endr
trap_common:
        call    trap_handle

/* The timer interrupt: counts, acknowledges, and is gone. */
        .globl  clock_entry
clock_entry:
        push    %eax
        incl    clock_ticks
        mov     $0x20, %al
        outb    %al, $0x20
        pop     %eax
        iret

/* Interrupts that nobody asked for (a spurious one of either controller) are ignored. */
        .globl  ignore_entry
ignore_entry:
        iret

        .section .rodata
        .balign 8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff              /* code, base 0, 4 GiB */
        .quad   0x00cf92000000ffff              /* data, base 0, 4 GiB */
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt

        .bss
        .balign 16
        .skip   STACK_SIZE
stack_top:
        .section .note.GNU-stack, "", @progbits
