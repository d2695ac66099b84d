# Reads JSON: after read_json(TEXT), J has every plain value by its path, keys and numbers joined by "/", and N the length of every list.
# Texts lose their quotes and escapes.

function read_json(text) {
    delete J
    delete N
    T = text
    P = 1
    read_value("")
}

function skip_blanks() {
    while (substr(T, P, 1) ~ /[ \t\r\n]/) P++
}

function read_value(path,    first, number, key) {
    skip_blanks()
    first = substr(T, P, 1)
    if (first == "{") {
        P++
        skip_blanks()
        if (substr(T, P, 1) == "}") { P++; return }
        while (1) {
            skip_blanks()
            key = read_text()
            skip_blanks()
            P++
            read_value(path == "" ? key : path "/" key)
            skip_blanks()
            P++
            if (substr(T, P - 1, 1) != ",") return
        }
    }
    if (first == "[") {
        P++
        number = 0
        N[path] = 0
        skip_blanks()
        if (substr(T, P, 1) == "]") { P++; return }
        while (1) {
            read_value(path "/" number)
            number++
            N[path] = number
            skip_blanks()
            P++
            if (substr(T, P - 1, 1) != ",") return
        }
    }
    if (first == "\"") { J[path] = read_text(); return }
    if (match(substr(T, P), /^[^],} \t\r\n]+/)) {
        J[path] = substr(T, P, RLENGTH)
        P += RLENGTH
    } else P = length(T) + 2
}

function read_text(    out, rest, mark, code) {
    out = ""
    P++
    while (1) {
        rest = substr(T, P)
        if (!match(rest, /["\\]/)) { P = length(T) + 2; return out }
        out = out substr(rest, 1, RSTART - 1)
        P += RSTART
        if (substr(rest, RSTART, 1) == "\"") return out
        mark = substr(T, P, 1)
        P++
        if (mark == "n") out = out "\n"
        else if (mark == "t") out = out "\t"
        else if (mark == "r") out = out "\r"
        else if (mark == "b") out = out "\b"
        else if (mark == "f") out = out "\f"
        else if (mark == "u") {
            code = from_hex(substr(T, P, 4))
            P += 4
            if (code >= 55296 && code < 56320 && substr(T, P, 2) == "\\u") {
                code = 65536 + (code - 55296) * 1024 + from_hex(substr(T, P + 2, 4)) - 56320
                P += 6
            }
            out = out to_utf8(code)
        } else out = out mark
    }
}

function from_hex(digits,    value, place) {
    value = 0
    for (place = 1; place <= length(digits); place++) value = value * 16 + index("0123456789abcdef", tolower(substr(digits, place, 1))) - 1
    return value
}

function to_utf8(code) {
    if (code < 128) return sprintf("%c", code)
    if (code < 2048) return sprintf("%c%c", 192 + int(code / 64), 128 + code % 64)
    if (code < 65536) return sprintf("%c%c%c", 224 + int(code / 4096), 128 + int(code / 64) % 64, 128 + code % 64)
    return sprintf("%c%c%c%c", 240 + int(code / 262144), 128 + int(code / 4096) % 64, 128 + int(code / 64) % 64, 128 + code % 64)
}

function quote(text) {
    gsub(/'/, "'\\''", text)
    return "'" text "'"
}

function to_json(text) {
    gsub(/\\/, "\\\\", text)
    gsub(/"/, "\\\"", text)
    gsub(/\n/, "\\n", text)
    gsub(/\t/, "\\t", text)
    gsub(/\r/, "\\r", text)
    return "\"" text "\""
}
