"""Small tools that know no word of our domain: sizes, durable files, canonical JSON, fault points, nearest names.

Any layer may use them; they import nothing of ours.
"""
