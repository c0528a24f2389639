# fish completion for vfio-hook. Made by scripts/completions.ts from the table of sub-commands.

function __vfio_hook_guests
    for file in /etc/libvirt/qemu/*.xml
        string replace -r '.*/(.*)\.xml$' '$1' -- $file
    end
end

function __vfio_hook_addresses
    for device in /sys/bus/pci/devices/*
        string replace -r '.*/' '' -- $device
        string replace -r '.*/0000:' '' -- $device
    end
end

complete -c vfio-hook -s h -l help -d 'help'
complete -c vfio-hook -n __fish_use_subcommand -s V -l version -d 'version'
complete -c vfio-hook -f -n __fish_use_subcommand -a groups -d 'list IOMMU groups, who has them, and whether a guest could'
complete -c vfio-hook -n '__fish_seen_subcommand_from groups' -f -a '(__vfio_hook_addresses)'
complete -c vfio-hook -n '__fish_seen_subcommand_from groups' -l all -d 'show every group, also those of bridges and parts of the chipset'
complete -c vfio-hook -n '__fish_seen_subcommand_from groups' -l lines -d 'print a line for each device, as the well-known scripts around lspci -nns do'
complete -c vfio-hook -n '__fish_seen_subcommand_from groups' -l host -r -F -d 'look at the machine that FILE describes (see vfio-hook snapshot), not at this one'
complete -c vfio-hook -n '__fish_seen_subcommand_from groups' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a map -d 'draw the PCI devices with their IOMMU groups, as HTML or SVG'
complete -c vfio-hook -n '__fish_seen_subcommand_from map' -f
complete -c vfio-hook -n '__fish_seen_subcommand_from map' -l format -r -f -a 'html svg' -d 'a page with the drawing and a table (html, the default), or the drawing alone'
complete -c vfio-hook -n '__fish_seen_subcommand_from map' -l all -d 'draw also ports with nothing behind them and parts of the chipset'
complete -c vfio-hook -n '__fish_seen_subcommand_from map' -l host -r -F -d 'look at the machine that FILE describes (see vfio-hook snapshot), not at this one'
complete -c vfio-hook -f -n __fish_use_subcommand -a sriov -d 'list what cards could make of virtual functions, and who has them'
complete -c vfio-hook -n '__fish_seen_subcommand_from sriov' -f
complete -c vfio-hook -n '__fish_seen_subcommand_from sriov' -l host -r -F -d 'look at the machine that FILE describes (see vfio-hook snapshot), not at this one'
complete -c vfio-hook -n '__fish_seen_subcommand_from sriov' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a mdev -d 'list mediated devices, who has them, and what more could be made'
complete -c vfio-hook -n '__fish_seen_subcommand_from mdev' -f
complete -c vfio-hook -n '__fish_seen_subcommand_from mdev' -l host -r -F -d 'look at the machine that FILE describes (see vfio-hook snapshot), not at this one'
complete -c vfio-hook -n '__fish_seen_subcommand_from mdev' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a vgpu -d 'list vGPUs of NVIDIA cards, who has them, and what could be made'
complete -c vfio-hook -n '__fish_seen_subcommand_from vgpu' -f
complete -c vfio-hook -n '__fish_seen_subcommand_from vgpu' -l host -r -F -d 'look at the machine that FILE describes (see vfio-hook snapshot), not at this one'
complete -c vfio-hook -n '__fish_seen_subcommand_from vgpu' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a plan -d 'show exactly what the start of a guest would do to the host'
complete -c vfio-hook -n '__fish_seen_subcommand_from plan' -a '(__vfio_hook_guests)'
complete -c vfio-hook -n '__fish_seen_subcommand_from plan' -l host -r -F -d 'look at the machine that FILE describes (see vfio-hook snapshot), not at this one'
complete -c vfio-hook -n '__fish_seen_subcommand_from plan' -l config -r -F -d 'take FILE for the configuration of the guest'
complete -c vfio-hook -n '__fish_seen_subcommand_from plan' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a status -d 'show which guest holds which devices, and what is not back yet'
complete -c vfio-hook -n '__fish_seen_subcommand_from status' -f
complete -c vfio-hook -n '__fish_seen_subcommand_from status' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a log -d 'show what the hook did lately'
complete -c vfio-hook -n '__fish_seen_subcommand_from log' -a '(__vfio_hook_guests)'
complete -c vfio-hook -n '__fish_seen_subcommand_from log' -s n -l lines -r -f -d 'the latest N lines (else 50)'
complete -c vfio-hook -n '__fish_seen_subcommand_from log' -s f -l follow -d 'go on with each line that comes, until ^C; with --json one object a line'
complete -c vfio-hook -n '__fish_seen_subcommand_from log' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a recover -d 'give back the devices of guests that are gone'
complete -c vfio-hook -n '__fish_seen_subcommand_from recover' -f
complete -c vfio-hook -n '__fish_seen_subcommand_from recover' -s n -l dry-run -d 'only say what would be done'
complete -c vfio-hook -n '__fish_seen_subcommand_from recover' -s v -l verbose -d 'say each step on stderr'
complete -c vfio-hook -n '__fish_seen_subcommand_from recover' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a detach -d 'take devices from the host, for any use, until vfio-hook reattach'
complete -c vfio-hook -f -n __fish_use_subcommand -a bind -d 'take devices from the host, for any use, until vfio-hook reattach'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -f -a '(__vfio_hook_addresses)'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -s d -l device-id -r -f -d 'every device with this id, such as 10de:2204; or one address'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -l vendor -r -f -d 'every graphics card of this vendor: nvidia, amd, intel, or an id such as 10de or 0x10de; with ADDRESS, refuse what is of another vendor'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -s a -l all -d 'every graphics card'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -l vf -r -f -d 'a free virtual function of this card, made as sriov in config.yaml says if there are none'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -l vgpu -r -f -d 'vGPU type, by number or name, for virtual functions that stay on the driver nvidia; with ,name=value for parameters'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -l driver -r -f -d 'bind this driver; one that is no vfio driver gets the named functions only'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -l bar -r -f -d 'resize BAR N, such as 0000:01:00.0:2=8MiB; also as ADDRESS,bar2=8MiB'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -l allow -r -f -a 'mounted swap disk-in-use default-route ssh bridge-port boot-vga console held last-keyboard' -d 'take the named devices although the host uses them for that, such as boot-vga'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -s n -l dry-run -d 'only say what would be done'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -s v -l verbose -d 'say each step on stderr'
complete -c vfio-hook -n '__fish_seen_subcommand_from detach bind' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a reattach -d 'give detached devices back to the host'
complete -c vfio-hook -f -n __fish_use_subcommand -a unbind -d 'give detached devices back to the host'
complete -c vfio-hook -n '__fish_seen_subcommand_from reattach unbind' -f -a '(__vfio_hook_addresses)'
complete -c vfio-hook -n '__fish_seen_subcommand_from reattach unbind' -s d -l device-id -r -f -d 'every device with this id, such as 10de:2204; or one address'
complete -c vfio-hook -n '__fish_seen_subcommand_from reattach unbind' -l vendor -r -f -d 'every graphics card of this vendor: nvidia, amd, intel, or an id such as 10de or 0x10de; with ADDRESS, refuse what is of another vendor'
complete -c vfio-hook -n '__fish_seen_subcommand_from reattach unbind' -s a -l all -d 'every graphics card'
complete -c vfio-hook -n '__fish_seen_subcommand_from reattach unbind' -l driver -r -f -d 'bind this driver to devices of which nobody knows what they had before'
complete -c vfio-hook -n '__fish_seen_subcommand_from reattach unbind' -s n -l dry-run -d 'only say what would be done'
complete -c vfio-hook -n '__fish_seen_subcommand_from reattach unbind' -s v -l verbose -d 'say each step on stderr'
complete -c vfio-hook -n '__fish_seen_subcommand_from reattach unbind' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a run -d 'run a program that has devices for as long as it runs'
complete -c vfio-hook -n '__fish_seen_subcommand_from run' -f -a '(__fish_complete_command)'
complete -c vfio-hook -n '__fish_seen_subcommand_from run' -l device -r -f -a '(__vfio_hook_addresses)' -d 'PCI address; with ,bar2=8MiB to resize a BAR'
complete -c vfio-hook -n '__fish_seen_subcommand_from run' -l vf -r -f -d 'a free virtual function of this card, made as sriov in config.yaml says if there are none'
complete -c vfio-hook -n '__fish_seen_subcommand_from run' -l vgpu -r -f -d 'vGPU type, by number or name, for virtual functions that stay on the driver nvidia; with ,name=value for parameters'
complete -c vfio-hook -n '__fish_seen_subcommand_from run' -l driver -r -f -d 'bind this driver; one that is no vfio driver gets the named functions only'
complete -c vfio-hook -n '__fish_seen_subcommand_from run' -l allow -r -f -a 'mounted swap disk-in-use default-route ssh bridge-port boot-vga console held last-keyboard' -d 'take the named devices although the host uses them for that, such as boot-vga'
complete -c vfio-hook -n '__fish_seen_subcommand_from run' -s v -l verbose -d 'say each step on stderr'
complete -c vfio-hook -f -n __fish_use_subcommand -a devices -d 'print the arguments, or the XML, that assign devices with their whole groups'
complete -c vfio-hook -n '__fish_seen_subcommand_from devices' -f -a '(__vfio_hook_addresses)'
complete -c vfio-hook -n '__fish_seen_subcommand_from devices' -l format -r -f -a 'cloud-hypervisor qemu libvirt' -d 'what to print it for'
complete -c vfio-hook -n '__fish_seen_subcommand_from devices' -s d -l device-id -r -f -d 'every device with this id, such as 10de:2204; or one address'
complete -c vfio-hook -n '__fish_seen_subcommand_from devices' -l vendor -r -f -d 'every graphics card of this vendor: nvidia, amd, intel, or an id such as 10de or 0x10de; with ADDRESS, refuse what is of another vendor'
complete -c vfio-hook -n '__fish_seen_subcommand_from devices' -s a -l all -d 'every graphics card'
complete -c vfio-hook -n '__fish_seen_subcommand_from devices' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a doctor -d 'check host, installation and guests, and say what to type'
complete -c vfio-hook -n '__fish_seen_subcommand_from doctor' -a '(__vfio_hook_guests)'
complete -c vfio-hook -n '__fish_seen_subcommand_from doctor' -s q -l quiet -d 'show only what is not ok, worst first'
complete -c vfio-hook -n '__fish_seen_subcommand_from doctor' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a lint -d 'advise on the XML of a guest, with what to paste'
complete -c vfio-hook -n '__fish_seen_subcommand_from lint' -a '(__vfio_hook_guests)'
complete -c vfio-hook -n '__fish_seen_subcommand_from lint' -l host -r -F -d 'look at the machine that FILE describes (see vfio-hook snapshot), not at this one'
complete -c vfio-hook -n '__fish_seen_subcommand_from lint' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a hostdevs -d 'list the host devices that a guest is assigned'
complete -c vfio-hook -n '__fish_seen_subcommand_from hostdevs' -a '(__vfio_hook_guests)'
complete -c vfio-hook -n '__fish_seen_subcommand_from hostdevs' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a init -d 'write a commented configuration for a guest'
complete -c vfio-hook -n '__fish_seen_subcommand_from init' -a '(__vfio_hook_guests)'
complete -c vfio-hook -n '__fish_seen_subcommand_from init' -s o -l output -r -F -d 'write to FILE instead; - prints it'
complete -c vfio-hook -n '__fish_seen_subcommand_from init' -l force -d 'replace a file that is there; it is kept as a backup (.bak)'
complete -c vfio-hook -f -n __fish_use_subcommand -a validate -d 'check the configuration, every file of it or one'
complete -c vfio-hook -n '__fish_seen_subcommand_from validate' -F
complete -c vfio-hook -n '__fish_seen_subcommand_from validate' -l json -d 'print JSON instead of text'
complete -c vfio-hook -f -n __fish_use_subcommand -a snapshot -d 'describe this machine in a file, for trying a guest on it elsewhere'
complete -c vfio-hook -n '__fish_seen_subcommand_from snapshot' -f
complete -c vfio-hook -f -n __fish_use_subcommand -a simulate -d 'play a guest’s whole life on a simulated machine'
complete -c vfio-hook -n '__fish_seen_subcommand_from simulate' -f
complete -c vfio-hook -n '__fish_seen_subcommand_from simulate' -l host -r -F -d 'description of the machine, such as examples/hosts/amd-rdna3-desktop.yaml'
complete -c vfio-hook -n '__fish_seen_subcommand_from simulate' -l domain -r -a '(__vfio_hook_guests)' -d 'name or UUID; or a file with the XML (has a slash or ends in .xml); or - for standard input'
complete -c vfio-hook -n '__fish_seen_subcommand_from simulate' -l config -r -F -d 'configuration of the guest, as in /etc/vfio-hook/domains'
