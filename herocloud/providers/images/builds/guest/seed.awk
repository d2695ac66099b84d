# Takes one part of a seed, as herocloud writes it (JSON, under a first line of its own for user data), and puts it where the guest looks.

{ text = text $0 "\n" }

END {
    if (part == "user-data") {
        if (text !~ /^#cloud-config/) exit
        sub(/^[^\n]*\n/, "", text)
    }
    read_json(text)
    if (part == "meta-data" && J["local-hostname"] != "") print J["local-hostname"] > "/run/hostname"
    if (part == "network-config") write_cards()
    if (part == "user-data") {
        if (J["hostname"] != "") print J["hostname"] > "/run/hostname"
        write_files()
        write_commands()
    }
}

function write_cards(    path, name, file, number) {
    for (path in J) {
        if (path !~ /^ethernets\/[^\/]*\/match\/macaddress$/) continue
        name = "ethernets/" substr(path, 11, index(substr(path, 11), "/") - 1)
        file = "/run/nics/" J[path]
        if (J[name "/mtu"] != "") print "mtu=" J[name "/mtu"] > file
        for (number = 0; number < N[name "/addresses"]; number++) print "address=" J[name "/addresses/" number] > file
        for (number = 0; number < N[name "/routes"]; number++) print "route=" J[name "/routes/" number "/to"] "@" J[name "/routes/" number "/via"] > file
        for (number = 0; number < N[name "/nameservers/addresses"]; number++) print "dns=" J[name "/nameservers/addresses/" number] > file
        close(file)
    }
}

function write_files(    number, name, place, command) {
    for (number = 0; number < N["write_files"]; number++) {
        name = "write_files/" number
        place = J[name "/path"]
        command = "mkdir -p " quote(folder_of(place)) "; "
        command = command (J[name "/encoding"] == "b64" ? "base64 -d" : "cat") " >" quote(place)
        if (J[name "/permissions"] != "") command = command "; chmod " quote(J[name "/permissions"]) " " quote(place)
        printf "%s", J[name "/content"] | command
        close(command)
    }
}

function folder_of(path) {
    sub(/\/[^\/]*$/, "", path)
    return path == "" ? "/" : path
}

function write_commands(    number, word, line) {
    for (number = 0; number < N["runcmd"]; number++) {
        if (("runcmd/" number) in J) line = J["runcmd/" number]
        else {
            line = ""
            for (word = 0; word < N["runcmd/" number]; word++) line = line quote(J["runcmd/" number "/" word]) " "
        }
        print line > "/run/runcmd"
    }
}
