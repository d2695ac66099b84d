"""A plan as JSON and back, for plan files and the state."""

from herocloud.model import filing

encode = filing.encode_plan
decode = filing.decode_plan
