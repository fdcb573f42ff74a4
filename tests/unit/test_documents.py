"""The published JSON Schemas are those of the documents that the commands print."""

from pathlib import Path

import harness.cli
from harness.cli.app import FILES
from harness.cli.documents import schema_files

SCHEMAS = Path(harness.cli.__file__).parent / "schemas"


def test_the_schemas_are_in_step_with_the_documents() -> None:
    published = {path.name: path.read_text() for path in SCHEMAS.glob("*.json")}
    assert published == schema_files(), "make schemas"


def test_every_command_has_its_file() -> None:
    folder = SCHEMAS.parent
    assert all((folder / f"{name}.py").is_file() for name in FILES.values())
