"""`dispatch export`: a bundle's network in the format of another engine."""

from pathlib import Path
from typing import Annotated

import typer

from dispatch.cli.options import JsonOption
from dispatch.cli.output import print_json, print_result


def export(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Model bundle (a folder), which is changed.")],
    as_json: JsonOption = False,
) -> None:
    """Write a bundle's network for CTranslate2 into the bundle, which is what decodes fastest on a processor.

    `dispatch train` does it by itself where CTranslate2 is installed. The digest of the bundle changes.

    Example: `dispatch export run/bundle`
    """
    from dispatch.model import add_ctranslate2, ctranslate2_installed, verify_bundle

    if not ctranslate2_installed():
        raise ValueError("CTranslate2 is not installed: `pip install ctranslate2`")
    add_ctranslate2(bundle)
    digest = verify_bundle(bundle)
    if as_json:
        print_json({"path": str(bundle), "digest": digest})
    else:
        print_result(f"{bundle}: ctranslate2 written, digest {digest}")
