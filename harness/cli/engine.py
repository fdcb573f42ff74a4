"""`holdpoint engine ensure`: reaches or installs an engine, and builds the sandbox image if its content is new."""

import typer

from harness.cli.shell import shell_of
from harness.container import Engine, ensure_engine, ensure_sandbox_image, own_list


def register(app: typer.Typer) -> None:
    """Adds the command group."""
    group = typer.Typer(help="The container engine and the sandbox image.", no_args_is_help=True)
    group.command("ensure")(ensure)
    app.add_typer(group, name="engine")


def ensure(context: typer.Context) -> None:
    """Reach a container engine, or install and start one where that may be; build the sandbox image if it is new.

    Uses DOCKER_HOST, a local Docker or a Podman socket. As root on Debian it installs docker.io and starts dockerd;
    elsewhere it says what to type. A second call takes seconds.
    """
    shell = shell_of(context)
    info = ensure_engine(shell.progress)
    with Engine.connect() as engine:
        image = ensure_sandbox_image(engine, shell.progress)
    shell.finish(
        "engine",
        {
            "engine": info.model_dump(mode="json"),
            "image": image.model_dump(mode="json"),
            "seccomp": "engine" if own_list(info.arch) is None else "holdpoint",
        },
        f"engine {info.version} (API {info.api}) answers; sandbox image {image.tag} is ready",
    )
