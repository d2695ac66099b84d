"""Numbers as lower-case base 36, the digits of every `sid` on a host."""

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def encode(number: int) -> str:
    """Write a number that is not negative in base 36."""
    if number == 0:
        return "0"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text


def decode(text: str) -> int:
    """Read base 36 digits back; upper case is refused, because a sid has one spelling."""
    if text != text.lower() or not text:
        msg = f"not lower-case base 36: {text!r}"
        raise ValueError(msg)
    return int(text, 36)
