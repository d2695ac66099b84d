"""Templates: where they are, and the environment that fills them.

In a checkout they lie at the root of the repository, where people look for them; a wheel carries a copy inside the package.
Everything is escaped; the one thing that is not is our own style sheet, which the page's policy names by its hash, so that a value
that got through as markup could still neither run nor style anything.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits.jsons import Json

if TYPE_CHECKING:
    import jinja2


def find_templates() -> Path:
    """Return the folder of templates: the checkout's, or the copy in the package."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "report_templates", package / "_shipped" / "report_templates"):
        if (folder / "layout.html.j2").is_file():
            return folder
    msg = f"no report templates beside or inside {package}: this installation is incomplete"
    raise FileNotFoundError(msg)


def render(template: str, context: dict[str, Json]) -> str:
    """Fill a template; the context gets the style sheet and the page's content security policy."""
    import markupsafe

    css = style_sheet()
    page = _environment().get_template(template)
    return page.render(context, css=markupsafe.Markup(css), policy=policy(css))  # noqa: S704 (our own file)


def style_sheet() -> str:
    """Return the style sheet."""
    return (find_templates() / "report.css").read_text(encoding="utf-8")


def policy(css: str) -> str:
    """Return a policy that lets nothing in but this style sheet: no script, no image, no font, no connection, no form."""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _environment() -> "jinja2.Environment":
    # 37 ms of import, paid by whoever asks for a report.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(find_templates()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["ticks"] = mark_ticks
    return environment


def mark_ticks(text: str) -> str:
    """Turn the backticks of our messages into code; the words between them stay escaped."""
    import markupsafe

    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return text
    return markupsafe.Markup("").join(
        markupsafe.Markup("<code>{}</code>").format(piece) if i % 2 else markupsafe.escape(piece) for i, piece in enumerate(pieces)
    )
