# The part of QEMU's guest agent protocol that commands need, one JSON text a line: whoever speaks to a guest with the real agent can speak
# to this one.

BEGIN {
    known = "guest-sync guest-sync-delimited guest-ping guest-info guest-get-host-name guest-get-osinfo guest-get-vcpus"
    known = known " guest-exec guest-exec-status guest-file-open guest-file-read guest-file-close guest-shutdown"
    while ((getline line) > 0) {
        line = first line
        first = ""
        # A byte of 255 tells that what came before it is to be forgotten.
        sub(/^.*\377/, "", line)
        if (line !~ /[^ \t\r]/) continue
        read_json(line)
        answer(J["execute"])
    }
}

function say(text) {
    printf "%s\n", text
    fflush()
}

function answer(command) {
    if (command == "guest-sync") say("{\"return\": " (J["arguments/id"] + 0) "}")
    else if (command == "guest-sync-delimited") { printf "%c", 255; say("{\"return\": " sprintf("%d", J["arguments/id"]) "}") }
    else if (command == "guest-ping") say("{\"return\": {}}")
    else if (command == "guest-info") tell_commands()
    else if (command == "guest-get-host-name") say("{\"return\": {\"host-name\": " to_json(first_line("hostname")) "}}")
    else if (command == "guest-get-osinfo") say("{\"return\": {\"id\": \"herocloud-tiny\", \"kernel-release\": " to_json(first_line("uname -r")) "}}")
    else if (command == "guest-get-vcpus") tell_processors()
    else if (command == "guest-exec") start()
    else if (command == "guest-exec-status") tell_status()
    else if (command == "guest-file-open") open_file()
    else if (command == "guest-file-read") read_file()
    else if (command == "guest-file-close") { system("rm -f /run/agent/handle-" (J["arguments/handle"] + 0)); say("{\"return\": {}}") }
    else if (command == "guest-shutdown") system((J["arguments/mode"] == "reboot" ? "reboot" : "poweroff") " >/dev/null 2>&1 &")
    else say("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": " to_json("The command " command " has not been found") "}}")
}

function first_line(command,    line) {
    line = ""
    command | getline line
    close(command)
    return line
}

function tell_commands(    names, number, text, count) {
    count = split(known, names, " ")
    text = ""
    for (number = 1; number <= count; number++)
        text = text (number > 1 ? ", " : "") "{\"name\": \"" names[number] "\", \"enabled\": true, \"success-response\": " (names[number] == "guest-shutdown" ? "false" : "true") "}"
    say("{\"return\": {\"version\": \"herocloud-tiny\", \"supported_commands\": [" text "]}}")
}

function tell_processors(    number, count, text, online) {
    count = first_line("ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l")
    text = ""
    for (number = 0; number < count; number++) {
        online = number == 0 ? 1 : first_line("cat /sys/devices/system/cpu/cpu" number "/online")
        text = text (number ? ", " : "") "{\"logical-id\": " number ", \"online\": " (online ? "true" : "false") ", \"can-offline\": " (number ? "true" : "false") "}"
    }
    say("{\"return\": [" text "]}")
}

function start(    folder, command, number, pid, file) {
    folder = first_line("mktemp -d /run/agent/XXXXXX")
    command = ""
    for (number = 0; number < N["arguments/env"]; number++) command = command "export " quote(J["arguments/env/" number]) "\n"
    command = command "exec " quote(J["arguments/path"])
    for (number = 0; number < N["arguments/arg"]; number++) command = command " " quote(J["arguments/arg/" number])
    file = folder "/command"
    print command > file
    close(file)
    command = "base64 -d >" folder "/in"
    printf "%s", J["arguments/input-data"] | command
    close(command)
    command = "sh /lib/herocloud/exec " folder " >/dev/null 2>&1 & echo $!"
    pid = first_line(command)
    # Kept in files, because whoever asks how it ended may have hung up in between, and every visit is a process of its own.
    if (J["arguments/capture-output"] ~ /true|merged|separated|stdout|stderr/) system("touch " folder "/captured")
    system("ln -s " folder " /run/agent/pid-" pid)
    say("{\"return\": {\"pid\": " pid "}}")
}

function tell_status(    pid, folder, code, text, line) {
    pid = J["arguments/pid"]
    folder = pid ~ /^[0-9]+$/ ? first_line("readlink /run/agent/pid-" pid) : ""
    if (folder == "") {
        say("{\"error\": {\"class\": \"GenericError\", \"desc\": " to_json("Invalid parameter 'pid': " pid) "}}")
        return
    }
    code = ""
    (getline code < (folder "/code"))
    close(folder "/code")
    if (code == "") { say("{\"return\": {\"exited\": false}}"); return }
    text = "{\"return\": {\"exited\": true, \"exitcode\": " code
    if ((getline line < (folder "/captured")) >= 0) text = text data("out-data", folder "/out") data("err-data", folder "/err")
    # How a command ended is told once.
    close(folder "/captured")
    system("rm -r " folder " /run/agent/pid-" pid)
    say(text "}}")
}

function data(name, file,    coded) {
    coded = first_line("base64 -w 0 " file)
    return coded == "" ? "" : ", \"" name "\": \"" coded "\""
}

# Files are read only: where a command writes to while it runs, and logs.
function open_file(    handle) {
    if (J["arguments/mode"] !~ /^r?b?$/ || system("test -f " quote(J["arguments/path"]))) {
        say("{\"error\": {\"class\": \"GenericError\", \"desc\": " to_json("cannot open " J["arguments/path"] " for reading") "}}")
        return
    }
    handle = first_line("cat /run/agent/last 2>/dev/null") + 1
    print handle > "/run/agent/last"
    close("/run/agent/last")
    print "0 " J["arguments/path"] > ("/run/agent/handle-" handle)
    close("/run/agent/handle-" handle)
    say("{\"return\": " handle "}")
}

function read_file(    file, line, place, path, coded, asked, got) {
    file = "/run/agent/handle-" (J["arguments/handle"] + 0)
    line = first_line("cat " file " 2>/dev/null")
    if (line == "") {
        say("{\"error\": {\"class\": \"GenericError\", \"desc\": \"handle not found\"}}")
        return
    }
    asked = ("arguments/count" in J) ? J["arguments/count"] + 0 : 4096
    place = line + 0
    path = substr(line, index(line, " ") + 1)
    coded = first_line("dd if=" quote(path) " bs=64k iflag=skip_bytes,count_bytes skip=" place " count=" asked " 2>/dev/null | base64 -w 0")
    got = length(coded) * 3 / 4 - (coded ~ /=$/) - (coded ~ /==$/)
    print sprintf("%d", place + got) " " path > file
    close(file)
    say("{\"return\": {\"count\": " sprintf("%d", got) ", \"buf-b64\": \"" coded "\", \"eof\": " (got < asked ? "true" : "false") "}}")
}
