# The whole guest of the lab, in one boot sector: it reports the size of BAR 2 of the PCI device at 00:10.0 as its
# own configuration cycles find it, waits for the ACPI power button and powers off, so that `virsh shutdown` works
# without an operating system. On the first serial port it writes `BAR2 ` and 16 hexadecimal digits (what the BAR
# reads after all ones were written: the size is the lowest settable bit), then `ready`.
#
# Ports 0x600, 0x602 and 0x604 are the PM1 status, enable and control registers of the q35 machine, as SeaBIOS
# places them.

        .intel_syntax noprefix
        .code16
        .set DEVICE, 0x80000000 + (0x10 << 11)  # 00:10.0 in the form of port 0xcf8
        .globl start
start:
        cli
        cld
        xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     dx, 0x602               # power button enabled
        mov     ax, 0x100
        out     dx, ax

        mov     ebx, DEVICE + 0x04      # no decoding while the BAR holds no address
        call    select
        xor     eax, eax
        out     dx, ax
        mov     si, offset bar2
        call    print
        mov     ebx, DEVICE + 0x1c
        call    size
        mov     ebx, DEVICE + 0x18
        call    size
        mov     si, offset ready
        call    print

wait:
        sti
        hlt                             # the timer of the BIOS wakes it 18 times a second
        cli
        mov     dx, 0x600
        in      ax, dx
        test    ax, 0x100               # power button pressed?
        jz      wait
        mov     dx, 0x604
        mov     ax, 0x2000              # sleep type 0 (S5) and sleep enable
        out     dx, ax
halt:   hlt
        jmp     halt

# Selects the register in ebx; dx is the data port afterwards.
select:
        mov     dx, 0xcf8
        mov     eax, ebx
        out     dx, eax
        mov     dx, 0xcfc
        ret

# Writes all ones to the register in ebx and prints what it then reads.
size:
        call    select
        mov     eax, -1
        out     dx, eax
        in      eax, dx
        mov     ebx, eax
        mov     cx, 8
digit:
        rol     ebx, 4
        mov     al, bl
        and     al, 15
        add     al, '0'
        cmp     al, '9'
        jbe     emit
        add     al, 'a' - '0' - 10
emit:
        call    put
        loop    digit
        ret

# Prints the text at si, up to a zero.
print:
        lodsb
        test    al, al
        jz      done
        call    put
        jmp     print
done:   ret

# Prints al when the serial port is ready for it.
put:
        push    ax
        mov     dx, 0x3fd
busy:   in      al, dx
        test    al, 0x20
        jz      busy
        pop     ax
        mov     dx, 0x3f8
        out     dx, al
        ret

bar2:   .asciz  "BAR2 "
ready:  .asciz  "\nready\n"

        .org    510
        .word   0xaa55
