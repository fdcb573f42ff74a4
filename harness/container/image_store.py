"""The engine's images: found, made without a network, named, let go; starts no container of ours."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
from docker import errors

from harness.container.api import ENSURE, calling
from harness.errors import EnvironmentFault


class ImageStore:
    """The images of one engine, as `Engine.images`; an image is named by a tag or by its id (`sha256:…`)."""

    def __init__(self, api: docker.APIClient) -> None:
        self._api = api

    def id_of(self, reference: str) -> str | None:
        """The id (`sha256:…`) of a local image, or None."""
        found = self.told(reference)
        return None if found is None else str(found["Id"])

    def told(self, reference: str) -> dict[str, Any] | None:
        """What the engine says of a local image, or None."""
        with calling(f"inspect image {reference}"):
            try:
                found: dict[str, Any] = self._api.inspect_image(reference)
            except errors.NotFound:  # Podman words it so that the library does not see an image in it
                return None
        return found

    def build(self, tag: str, context: bytes, arguments: Mapping[str, str]) -> str:
        """Builds an image from a tar holding a Dockerfile, without network or registry; answers its id."""
        with calling(f"build image {tag}"):
            for event in self._api.build(
                fileobj=io.BytesIO(context),
                custom_context=True,
                tag=tag,
                buildargs=dict(arguments),
                network_mode="none",
                rm=True,
                forcerm=True,
                pull=False,
                decode=True,
            ):
                if "error" in event:
                    raise EnvironmentFault(f"the engine could not build {tag}: {str(event['error']).strip()}.", ENSURE)
        return self._built(tag)

    def import_root(self, tag: str, archive: Path, changes: tuple[str, ...] = ()) -> str:
        """Makes an image of a root file system in a tar file; answers its id."""
        repository, _, version = tag.partition(":")
        with calling(f"import image {tag}"):
            self._api.import_image_from_file(str(archive), repository=repository, tag=version, changes=list(changes))
        return self._built(tag)

    def pull(self, reference: str, otherwise: str) -> None:
        """Fetches an image by digest from its registry, never while a proposal is run; `otherwise` is the next step."""
        with calling(f"pull image {reference}", otherwise):
            for event in self._api.pull(reference, stream=True, decode=True):
                if "error" in event:
                    raise EnvironmentFault(
                        f"the engine could not pull {reference}: {str(event['error']).strip()}.", otherwise
                    )

    def used(self, tag: str) -> str | None:
        """The id of a local image, or None; the engine notes that it was used now, for whoever removes old ones."""
        repository, _, version = tag.partition(":")
        with calling(f"tag image {tag}"):
            try:
                self._api.tag(tag, repository, version, force=True)
            except errors.NotFound:
                return None
        return self.id_of(tag)

    def tags(self, first: str) -> tuple[str, ...]:
        """All local tags below the repository name `first`."""
        with calling("list images"):
            found = self._api.images()
        return tuple(sorted(t for i in found for t in i.get("RepoTags") or () if t.startswith(f"{first}/")))

    def untagged(self) -> tuple[dict[str, Any], ...]:
        """What the engine says of images without name and without descendants."""
        with calling("list images"):
            return tuple(self._api.images(filters={"dangling": True}))

    def ancestors(self, image: str) -> tuple[str, ...]:
        """The ids of the images that an image was built on, nearest first, as far as the engine knows them."""
        found: list[str] = []
        told = self.told(image)
        while told is not None and told.get("Parent"):
            found.append(str(told["Parent"]))
            told = self.told(found[-1])
        return tuple(found)

    def discard(self, reference: str) -> bool:
        """Removes a name, and the image with its last name; False when a container or an image needs it."""
        with calling(f"remove image {reference}"):
            try:
                self._api.remove_image(reference, force=False)
            except errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise
                return False
        return True

    def _built(self, tag: str) -> str:
        found = self.id_of(tag)
        if found is None:
            raise EnvironmentFault(f"the engine has no image {tag} after building it.", ENSURE)
        return found
