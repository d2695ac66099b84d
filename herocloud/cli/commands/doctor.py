"""`doctor`."""

from herocloud.cli import ending, showing
from herocloud.cli.invoking import Call
from herocloud.operations import diagnosing


def doctor(call: Call) -> int:
    """Tell what is missing on this host, for which provider.

    Exits 1 when something fails that herocloud needs; a provider that cannot be used here is no failure.
    """
    from herocloud.views import listings

    checks = diagnosing.check(call.folder)
    showing.show_listing(call, listings.checks([one._asdict() for one in checks]))
    return ending.ERROR if any(one.ok is False and one.needed for one in checks) else ending.DONE
